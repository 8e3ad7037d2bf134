/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/attacks/hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/channel.h"
#include "ipc/decode.h"
#include "ipc/runtime.h"
#include "ipc/util.h"
#include "ipc/wirecall.h"
#include "tests/attacks/attack.h"

/* ---- the handshake ---- */

static void receive_welcome(struct hostile *hostile, uint32_t *ret_descriptors)
{
	static uint8_t bytes[SP_DATAGRAM_MAX];
	ssize_t length = sp_channel_receive(SP_CHANNEL_FD, bytes, sizeof(bytes), 0, NULL);
	Sallyport__Wire__Welcome *welcome;
	ProtobufCMessage *message;

	if (length <= 0 || sp_message_decode(&sallyport__wire__welcome__descriptor, bytes,
					     (size_t)length, NULL, &message) < 0)
		broken("no welcome");
	/* Lives as long as the process. */
	welcome = (Sallyport__Wire__Welcome *)message;
	if (welcome->error)
		broken("welcome: %s", strerror((int)welcome->error));
	hostile->filter.filter = (struct sock_filter *)welcome->filter.data;
	hostile->filter.len = (unsigned short)(welcome->filter.len / sizeof(struct sock_filter));
	*ret_descriptors = welcome->descriptors;
}

/* One parcel: its purpose and its descriptor. */
static Sallyport__Wire__Parcel__Purpose receive_parcel(int *ret_descriptor)
{
	uint8_t bytes[64], memory[256] __attribute__((aligned(16)));
	struct sp_arena arena;
	ProtobufCMessage *message;
	ssize_t length = sp_channel_receive(SP_CHANNEL_FD, bytes, sizeof(bytes), 0, ret_descriptor);

	sp_arena_init(&arena, memory, sizeof(memory));
	if (length <= 0 || *ret_descriptor < 0 ||
	    sp_message_decode(&sallyport__wire__parcel__descriptor, bytes, (size_t)length, &arena,
			      &message) < 0)
		broken("no parcel");
	return ((const Sallyport__Wire__Parcel *)message)->purpose;
}

static void map_slots(struct hostile *hostile, int memfd)
{
	void *memory =
	    mmap(NULL, sizeof(struct sp_slots), PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);

	if (memory == MAP_FAILED)
		broken("the slots: %s", strerror(errno));
	hostile->slots = memory;
	(void)close(memfd);
}

/* What every later refusal is worth depends on this: a right request gets a right answer. */
static void show_the_way(struct hostile *hostile)
{
	struct hostile_request request;
	struct hostile_answer answer;
	char bytes[6];

	hostile_fill_call(&request, SP_CALL_openat, in_tree("readonly/file"));
	hostile_ask(hostile, &request, &answer);
	if (answer.result < 0 || answer.descriptor < 0 ||
	    read(answer.descriptor, bytes, sizeof(bytes)) != sizeof(bytes) ||
	    memcmp(bytes, "plain\n", sizeof(bytes)) != 0)
		broken("a right request was answered %lld", (long long)answer.result);
	(void)close(answer.descriptor);
	reached();
}

/* On a floor the call is the greeting, and makes the channel. */
static void send_hello(void)
{
	Sallyport__Wire__Hello hello = SALLYPORT__WIRE__HELLO__INIT;

	hello.version = SP_PROTOCOL_VERSION;
	if (context.stage == STAGE_FLOOR
		? syscall(SP_NR_CHANNEL, SP_PROTOCOL_VERSION, SP_CHANNEL_LOCK, 0, 0, 0, 0) != 0
		: sp_channel_send_message(SP_CHANNEL_FD, &hello.base, -1) < 0)
		broken("no channel: %s", strerror(errno));
}

void hostile_greet(struct hostile *hostile)
{
	uint32_t descriptors = 0;

	*hostile = (struct hostile){.landlock = -1};
	send_hello();
	receive_welcome(hostile, &descriptors);
	for (uint32_t i = 0; i < descriptors; i++) {
		int descriptor = -1;

		if (receive_parcel(&descriptor) == SALLYPORT__WIRE__PARCEL__PURPOSE__SLOTS)
			map_slots(hostile, descriptor);
		else
			hostile->landlock = descriptor;
	}
	if (!hostile->slots)
		broken("no slots");
	show_the_way(hostile);
}

void hostile_lock(const struct hostile *hostile)
{
	if (context.stage == STAGE_FLOOR)
		return;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    (hostile->landlock >= 0 &&
	     syscall(SYS_landlock_restrict_self, hostile->landlock, 0) < 0) ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &hostile->filter) < 0)
		broken("the lock: %s", strerror(errno));
}

/* ---- slots ---- */

void hostile_ring(const struct hostile *hostile, uint32_t pending)
{
	static const uint64_t one = 1;

	atomic_fetch_or(&hostile->slots->pending, pending);
	if (write(SP_DOORBELL_FD, &one, sizeof(one)) < 0)
		broken("the doorbell: %s", strerror(errno));
}

void hostile_post(const struct hostile *hostile, uint32_t index, const void *bytes, size_t length)
{
	struct sp_slot *slot = &hostile->slots->slot[index];

	memcpy(slot->bytes, bytes, length);
	atomic_store(&slot->length, (uint32_t)length);
	atomic_store(&slot->sleeping, 1);
	atomic_store(&slot->state, SP_SLOT_REQUEST);
	hostile_ring(hostile, 1u << index);
}

void hostile_wait(const struct hostile *hostile, uint32_t index)
{
	sp_atomic_u32 *state = &hostile->slots->slot[index].state;

	for (uint32_t now = atomic_load(state); now != SP_SLOT_DONE; now = atomic_load(state))
		(void)syscall(SYS_futex, state, FUTEX_WAIT, now, NULL, NULL, 0);
}

void hostile_await_end(const struct hostile *hostile, uint32_t index)
{
	hostile_wait(hostile, index);
	broken("variant %u was answered", context.variant);
}

/* ---- requests ---- */

void hostile_fill_call(struct hostile_request *ret_request, enum sp_call_id id, const char *path)
{
	const struct sp_call call = {
	    .info = &sp_call_table[id],
	    .dirfd = AT_FDCWD,
	    .dirfd2 = AT_FDCWD,
	    .path = path,
	    .path2 = path,
	    .text = path,
	    .data = (const uint8_t *)path,
	    .data_length = strlen(path),
	    .size = 100,
	    .umask = 022,
	};

	sallyport__wire__request__init(&ret_request->request);
	sp_call_to_wire(&call, &ret_request->call);
	ret_request->request.generation = 1;
	ret_request->request.tid = getpid();
	ret_request->request.what_case = SALLYPORT__WIRE__REQUEST__WHAT_CALL;
	ret_request->request.call = &ret_request->call;
}

void hostile_fill_refused(struct hostile_request *ret_request)
{
	Sallyport__Wire__Refused *refused = &ret_request->refused;

	sallyport__wire__request__init(&ret_request->request);
	sallyport__wire__refused__init(refused);
	memset(ret_request->argument, 1, sizeof(ret_request->argument));
	refused->nr = SYS_mount;
	refused->instruction = 0x401000;
	refused->n_argument = SP_ELEMENTS(ret_request->argument);
	refused->argument = ret_request->argument;
	ret_request->request.generation = 1;
	ret_request->request.tid = getpid();
	ret_request->request.what_case = SALLYPORT__WIRE__REQUEST__WHAT_REFUSED;
	ret_request->request.refused = refused;
}

size_t hostile_encode(const struct hostile_request *request, uint8_t *bytes)
{
	if (sallyport__wire__request__get_packed_size(&request->request) > SP_SLOT_BYTES)
		broken("a request that is too long for a slot");
	return sallyport__wire__request__pack(&request->request, bytes);
}

/* ---- answers ---- */

void hostile_take(const struct hostile *hostile, uint32_t index, struct hostile_answer *ret_answer)
{
	static uint8_t bytes[SP_SLOT_BYTES], memory[SP_SLOT_ARENA] __attribute__((aligned(16)));
	struct sp_slot *slot = &hostile->slots->slot[index];
	uint32_t length = atomic_load(&slot->length);
	const Sallyport__Wire__Reply *reply;
	ProtobufCMessage *message;
	struct sp_arena arena;

	sp_arena_init(&arena, memory, sizeof(memory));
	if (length > sizeof(bytes))
		broken("a reply of %u bytes", length);
	memcpy(bytes, slot->bytes, length);
	if (sp_message_decode(&sallyport__wire__reply__descriptor, bytes, length, &arena,
			      &message) < 0)
		broken("a malformed reply");
	reply = (const Sallyport__Wire__Reply *)message;
	*ret_answer = (struct hostile_answer){.generation = reply->generation,
					      .result = reply->result,
					      .out_length = reply->has_out ? reply->out.len : 0,
					      .descriptor = -1};
	if (reply->has_out)
		check_bytes("a reply", reply->out.data, reply->out.len);
	if (reply->has_descriptor && reply->descriptor)
		(void)receive_parcel(&ret_answer->descriptor);
	atomic_store(&slot->state, SP_SLOT_FREE);
}

void hostile_ask(struct hostile *hostile, struct hostile_request *request,
		 struct hostile_answer *ret_answer)
{
	uint8_t bytes[SP_SLOT_BYTES];

	request->request.generation = ++hostile->generation;
	hostile_post(hostile, 0, bytes, hostile_encode(request, bytes));
	hostile_wait(hostile, 0);
	hostile_take(hostile, 0, ret_answer);
	if (ret_answer->generation != hostile->generation)
		broken("an answer to request %u instead of %u", ret_answer->generation,
		       hostile->generation);
}
