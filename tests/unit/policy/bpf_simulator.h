/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a seccomp filter in user space: classic BPF, as far as the kernel lets seccomp use it. What the kernel would refuse to
 * load makes run() return nothing, so that a test that expects a verdict fails.
 */
#ifndef SALLYPORT_TESTS_BPF_SIMULATOR_H
#define SALLYPORT_TESTS_BPF_SIMULATOR_H

#include <array>
#include <cstdint>
#include <cstring>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <optional>
#include <vector>

namespace sallyport
{

using Arguments = std::array<uint64_t, 6>;

class BpfSimulator
{
      public:
	explicit BpfSimulator(const sock_fprog &program)
	    : code_(program.filter, program.filter + program.len)
	{
	}

	size_t length() const
	{
		return code_.size();
	}

	/* How many instructions the last run took. */
	size_t steps() const
	{
		return steps_;
	}

	/* SECCOMP_RET_* with its data. */
	std::optional<uint32_t> run(uint32_t nr, const Arguments &arguments,
				    uint32_t arch = AUDIT_ARCH_X86_64)
	{
		seccomp_data data = {};

		data.nr = static_cast<int>(nr);
		data.arch = arch;
		for (size_t i = 0; i < arguments.size(); i++)
			data.args[i] = arguments[i];
		return run(data);
	}

      private:
	std::optional<uint32_t> run(const seccomp_data &data)
	{
		uint32_t a = 0, x = 0, memory[BPF_MEMWORDS] = {};

		steps_ = 0;
		for (size_t pc = 0; pc < code_.size(); pc++) {
			const sock_filter &i = code_[pc];
			uint32_t operand = BPF_SRC(i.code) == BPF_X ? x : i.k;

			steps_++;
			switch (BPF_CLASS(i.code)) {
			case BPF_LD:
				if (i.code == (BPF_LD | BPF_W | BPF_ABS)) {
					if (i.k % 4 != 0 || i.k + 4 > sizeof(data))
						return std::nullopt;
					memcpy(&a, reinterpret_cast<const char *>(&data) + i.k, 4);
				} else if (i.code == (BPF_LD | BPF_IMM)) {
					a = i.k;
				} else if (i.code == (BPF_LD | BPF_MEM) && i.k < BPF_MEMWORDS) {
					a = memory[i.k];
				} else {
					return std::nullopt;
				}
				break;
			case BPF_ST:
				if (i.k >= BPF_MEMWORDS)
					return std::nullopt;
				memory[i.k] = a;
				break;
			case BPF_ALU:
				if (BPF_OP(i.code) != BPF_AND)
					return std::nullopt;
				a &= operand;
				break;
			case BPF_JMP: {
				bool taken = false;

				if (BPF_OP(i.code) == BPF_JA) {
					pc += i.k;
					break;
				}
				if (BPF_OP(i.code) == BPF_JEQ)
					taken = a == operand;
				else if (BPF_OP(i.code) == BPF_JGT)
					taken = a > operand;
				else if (BPF_OP(i.code) == BPF_JGE)
					taken = a >= operand;
				else if (BPF_OP(i.code) == BPF_JSET)
					taken = (a & operand) != 0;
				pc += taken ? i.jt : i.jf;
				break;
			}
			case BPF_MISC:
				if (BPF_MISCOP(i.code) == BPF_TAX)
					x = a;
				else
					a = x;
				break;
			case BPF_RET:
				return BPF_RVAL(i.code) == BPF_A ? a : i.k;
			default:
				return std::nullopt;
			}
		}
		return std::nullopt;
	}

	std::vector<sock_filter> code_;
	size_t steps_ = 0;
};

} // namespace sallyport

#endif
