/* SPDX-License-Identifier: Apache-2.0 */
/* Says that it was executed, be it as a program or as the loader of another. */
#include "tests/integration/programs/attempt.h"

_Noreturn void _start(void);

_Noreturn void _start(void)
{
	attempt_to_say("executes\n", 9);
	for (;;)
		(void)ATTEMPT(__NR_exit_group, 0, 0, 0, 0);
}
