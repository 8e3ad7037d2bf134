/* SPDX-License-Identifier: Apache-2.0 */
/* C01 to C20: bytes that no correct runtime writes, in the slots and on the channel. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/channel.h"
#include "ipc/decode.h"
#include "ipc/runtime.h"
#include "ipc/util.h"
#include "tests/attacks/attack.h"
#include "tests/attacks/hostile.h"

/* A message being put together by hand. */
struct text {
	uint8_t bytes[SP_SLOT_BYTES];
	size_t length;
};

static void add(struct text *text, const void *bytes, size_t length)
{
	if (length > sizeof(text->bytes) - text->length)
		broken("a message that is too long for a slot");
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
}

#define ADD(text, ...)                                                                             \
	add(text, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* Generation and tid, as every request begins. */
static void begin(struct text *text)
{
	text->length = 0;
	ADD(text, 0x08, 1, 0x10, 2);
}

/* Greets and locks, then has the bytes served: that must be the end. */
_Noreturn static void send_malformed(const struct text *text)
{
	struct hostile hostile;

	hostile_greet(&hostile);
	hostile_lock(&hostile);
	hostile_post(&hostile, 0, text->bytes, text->length);
	hostile_await_end(&hostile, 0);
}

/* ---- C01 ---- */

static const struct bytes {
	uint8_t length, bytes[24];
} wild_lengths[] = {
    {6, {0x1a, 0xff, 0xff, 0xff, 0xff, 0x0f}},
    {2, {0x1a, 0x7f}},
    {11, {0x1a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}},
    {12, {0x1a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}},
    {7, {0x1a, 0x05, 0x1a, 0xff, 0xff, 0xff, 0x7f}},
    {2, {0x1a, 0x00}},
    {3, {0x1a, 0x80, 0x00}},
};

static const uint32_t slot_lengths[] = {0,        1,         SP_SLOT_BYTES, SP_SLOT_BYTES + 1,
					1u << 31, UINT32_MAX};

static void post_length(uint32_t length)
{
	static const uint8_t nothing[SP_SLOT_BYTES];
	struct hostile hostile;

	hostile_greet(&hostile);
	hostile_lock(&hostile);
	memcpy(hostile.slots->slot[0].bytes, nothing, sizeof(nothing));
	atomic_store(&hostile.slots->slot[0].length, length);
	atomic_store(&hostile.slots->slot[0].state, SP_SLOT_REQUEST);
	hostile_ring(&hostile, 1);
	hostile_await_end(&hostile, 0);
}

void attack_C01(void)
{
	struct text text;

	variants(SP_ELEMENTS(wild_lengths) + SP_ELEMENTS(slot_lengths));
	if (context.variant >= SP_ELEMENTS(wild_lengths))
		post_length(slot_lengths[context.variant - SP_ELEMENTS(wild_lengths)]);
	begin(&text);
	add(&text, wild_lengths[context.variant].bytes, wild_lengths[context.variant].length);
	send_malformed(&text);
}

/* ---- C02 ---- */

/* The messages whose fields are all the fields that there are. */
static void fill_kind(size_t kind, struct hostile_request *ret_request)
{
	static const enum sp_call_id ids[] = {SP_CALL_openat2, SP_CALL_renameat2,
					      SP_CALL_readlinkat};

	if (kind < SP_ELEMENTS(ids))
		hostile_fill_call(ret_request, ids[kind], "/x");
	else
		hostile_fill_refused(ret_request);
}

#define KINDS 4

static void truncate_hello(void)
{
	static const uint8_t half[] = {0x08};

	reached(); /* by the greeting of every other variant */
	if (send(SP_CHANNEL_FD, half, sizeof(half), 0) < 0)
		broken("no channel");
	for (;;)
		(void)pause();
}

void attack_C02(void)
{
	size_t variant = context.variant;

	for (size_t kind = 0; kind < KINDS; kind++) {
		struct hostile_request request;
		struct text text;
		size_t length;

		fill_kind(kind, &request);
		length = hostile_encode(&request, text.bytes);
		if (variant < length) {
			text.length = variant;
			send_malformed(&text);
		}
		variant -= length;
	}
	if (variant > 0)
		_exit(STATUS_NO_SUCH_VARIANT);
	truncate_hello();
}

/* ---- C03, C04, C08 ---- */

/* Each level is a field of the one around it, and all that it holds. */
static void nest(struct text *text, uint8_t tag, size_t levels)
{
	uint8_t reversed[SP_SLOT_BYTES];
	size_t at = sizeof(reversed), length = 0;

	for (size_t i = 0; i < levels; i++) {
		size_t value = length;

		if (value >= 128) {
			reversed[--at] = (uint8_t)(value >> 7);
			reversed[--at] = (uint8_t)(value | 0x80);
		} else {
			reversed[--at] = (uint8_t)value;
		}
		reversed[--at] = tag;
		length = sizeof(reversed) - at;
	}
	add(text, reversed + at, length);
}

static void nest_groups(struct text *text, size_t levels)
{
	for (size_t i = 0; i < levels; i++)
		ADD(text, 0x1b);
	for (size_t i = 0; i < levels; i++)
		ADD(text, 0x1c);
}

void attack_C03(void)
{
	struct text text;

	variants(4);
	begin(&text);
	if (context.variant == 0)
		nest(&text, 0x1a, 4000);
	else if (context.variant == 1)
		nest(&text, 0x22, 4000);
	else if (context.variant == 2)
		nest(&text, 0x7a, 4000);
	else
		nest_groups(&text, 6000);
	send_malformed(&text);
}

static void fill_up(struct text *text, const void *bytes, size_t length)
{
	while (sizeof(text->bytes) - text->length >= length)
		add(text, bytes, length);
}

void attack_C04(void)
{
	static const uint8_t empty_call[] = {0x1a, 0}, empty_refused[] = {0x22, 0};
	struct text text;

	variants(3);
	begin(&text);
	if (context.variant == 0) {
		fill_up(&text, empty_call, sizeof(empty_call));
	} else if (context.variant == 1) {
		fill_up(&text, empty_refused, sizeof(empty_refused));
	} else {
		/* A Refused of 12,003 bytes: nr 1, instruction 1, and 11,996 arguments of one byte. */
		ADD(&text, 0x22, 0xe3, 0x5d, 0x08, 0x02, 0x10, 0x01, 0x1a, 0xdc, 0x5d);
		for (int i = 0; i < 11996; i++)
			ADD(&text, 1);
	}
	send_malformed(&text);
}

void attack_C08(void)
{
	static const uint8_t unknown[] = {0xa2, 0x06, 4, 'h', 'o', 'g', 's'};
	static const uint8_t unknown_number[] = {0xa0, 0x06, 1};
	struct hostile_request request;
	struct text text;

	variants(2);
	hostile_fill_call(&request, SP_CALL_stat, "/");
	text.length = hostile_encode(&request, text.bytes);
	if (context.variant == 0)
		fill_up(&text, unknown, sizeof(unknown));
	else
		add(&text, unknown_number, sizeof(unknown_number));
	send_malformed(&text);
}

/* ---- C06: encoded rightly, and wrong ---- */

static char long_name[PATH_MAX + 1];

static void spoil_id(struct hostile_request *request)
{
	request->call.id = SP_CALL_COUNT;
}

static void spoil_id_far(struct hostile_request *request)
{
	request->call.id = UINT32_MAX;
}

static void spoil_umask(struct hostile_request *request)
{
	request->call.umask = 01000;
}

static void spoil_tid(struct hostile_request *request)
{
	request->request.tid = 0;
}

static void spoil_tid_sign(struct hostile_request *request)
{
	request->request.tid = -1;
}

static void drop_path(struct hostile_request *request)
{
	request->call.has_path = 0;
}

static void drop_flags(struct hostile_request *request)
{
	request->call.has_flags = 0;
}

static void add_resolve(struct hostile_request *request)
{
	request->call.has_resolve = 1;
}

static void add_second_path(struct hostile_request *request)
{
	request->call.has_path2 = 1;
}

static void add_size(struct hostile_request *request)
{
	request->call.has_size = 1;
}

static void hide_nul(struct hostile_request *request)
{
	request->call.path = (ProtobufCBinaryData){5, (uint8_t *)(uintptr_t) "/\0etc"};
}

static void lengthen_path(struct hostile_request *request)
{
	memset(long_name, 'a', sizeof(long_name));
	long_name[0] = '/';
	request->call.path = (ProtobufCBinaryData){PATH_MAX, (uint8_t *)long_name};
}

static void drop_what(struct hostile_request *request)
{
	request->request.what_case = SALLYPORT__WIRE__REQUEST__WHAT__NOT_SET;
}

static void spoil_arguments(struct hostile_request *request)
{
	hostile_fill_refused(request);
	request->refused.n_argument = 5;
}

static void drop_arguments(struct hostile_request *request)
{
	hostile_fill_refused(request);
	request->refused.n_argument = 0;
}

/* By hand: both of a union; one twice; a number in more bytes than it needs, or than it has. */
static const struct bytes spoilt[] = {
    {10, {0x1a, 2, 0x50, 0, 0x22, 4, 0x08, 0, 0x10, 0}},
    {8, {0x1a, 2, 0x50, 0, 0x1a, 2, 0x50, 0}},
    {10, {0x1a, 8, 0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}},
    {11, {0x08, 2, 0x1a, 7, 0x08, 7, 0x1a, 1, '/', 0x50, 0}},
    {10, {0x1a, 8, 0x08, 0x87, 0x00, 0x1a, 1, '/', 0x50, 0}},
    {9, {0x1a, 7, 0x50, 0, 0x08, 7, 0x1a, 1, '/'}},
};

void attack_C06(void)
{
	static void (*const spoilers[])(struct hostile_request * request) = {
	    spoil_id,  spoil_id_far,  spoil_umask, spoil_tid,       spoil_tid_sign,
	    drop_path, drop_flags,    add_resolve, add_second_path, add_size,
	    hide_nul,  lengthen_path, drop_what,   spoil_arguments, drop_arguments};
	struct hostile_request request;
	struct text text;

	variants(SP_ELEMENTS(spoilers) + SP_ELEMENTS(spoilt));
	if (context.variant < SP_ELEMENTS(spoilers)) {
		hostile_fill_call(&request, SP_CALL_openat, "/");
		spoilers[context.variant](&request);
		text.length = hostile_encode(&request, text.bytes);
	} else {
		const struct bytes *bytes = &spoilt[context.variant - SP_ELEMENTS(spoilers)];

		begin(&text);
		add(&text, bytes->bytes, bytes->length);
	}
	send_malformed(&text);
}

/* ---- C07 ---- */

void attack_C07(void)
{
	static const struct bytes fields[] = {
	    {2, {0x18, 1}},                      /* a call as a number */
	    {9, {0x19, 1, 2, 3, 4, 5, 6, 7, 8}}, /* as a fixed64 */
	    {5, {0x1d, 1, 2, 3, 4}},             /* as a fixed32 */
	    {2, {0x1b, 0x1c}},                   /* as a group */
	    {1, {0x1c}},                         /* a group's end */
	    {2, {0x1e, 0}},                      /* wire types that there are not */
	    {2, {0x1f, 0}},
	    {2, {0x00, 0}}, /* field 0 */
	    {3, {0x02, 1, 0}},
	    {6, {0xf8, 0xff, 0xff, 0xff, 0x0f, 0}},       /* field 2^29 - 1 */
	    {7, {0xf8, 0xff, 0xff, 0xff, 0xff, 0x0f, 0}}, /* beyond it */
	    {12, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}},
	};
	struct text text;

	variants(SP_ELEMENTS(fields));
	begin(&text);
	add(&text, fields[context.variant].bytes, fields[context.variant].length);
	send_malformed(&text);
}

/* ---- C09 ---- */

/* Asks, and expects that nothing comes back. */
static void ask_in_vain(struct hostile *hostile, struct hostile_request *request, const char *what)
{
	struct hostile_answer answer;

	hostile_ask(hostile, request, &answer);
	check_descriptor(what, answer.descriptor);
	if (answer.result >= 0)
		escape("%s: %s succeeded", what, sp_call_table[request->call.id].name);
}

static void forge_tid(struct hostile *hostile)
{
	static const char *const names[] = {"/proc/thread-self/environ", "/proc/thread-self/root",
					    "/proc/thread-self/mem"};
	const pid_t tids[] = {1, 3, context.victim, INT32_MAX};
	struct hostile_request request;

	for (size_t i = 0; i < SP_ELEMENTS(tids); i++) {
		for (size_t j = 0; j < SP_ELEMENTS(names); j++) {
			hostile_fill_call(&request, SP_CALL_open, names[j]);
			request.request.tid = tids[i];
			ask_in_vain(hostile, &request, names[j]);
		}
		hostile_fill_call(&request, SP_CALL_open, in_tree("secret/canary"));
		request.request.tid = tids[i];
		ask_in_vain(hostile, &request, "secret/canary");
	}
}

/* libc's fstat is a trapped call, and here nobody would answer the trap. */
static bool look(int fd, struct stat *ret_status)
{
	return syscall(SYS_fstat, fd, ret_status) == 0;
}

/* Numbers of descriptors mean the sandboxee's, never the porter's. */
static void forge_dirfd(struct hostile *hostile)
{
	struct hostile_request request;
	struct hostile_answer answer;

	for (int number = 0; number <= 1100; number++) {
		struct stat ours, theirs;
		bool own = look(number, &ours);

		hostile_fill_call(&request, SP_CALL_openat, ".");
		request.call.dirfd = number;
		request.call.flags = O_PATH;
		hostile_ask(hostile, &request, &answer);
		if (answer.descriptor < 0)
			continue;
		if (!own || !look(answer.descriptor, &theirs) || ours.st_ino != theirs.st_ino ||
		    ours.st_dev != theirs.st_dev)
			escape("descriptor %d of the porter was used", number);
		(void)close(answer.descriptor);
	}
}

void attack_C09(void)
{
	struct hostile hostile;

	variants(1);
	hostile_greet(&hostile);
	hostile_lock(&hostile);
	forge_tid(&hostile);
	forge_dirfd(&hostile);
}

/* ---- C10 ---- */

void attack_C10(void)
{
	static const uint32_t states[] = {
	    SP_SLOT_FREE, SP_SLOT_CLAIMED, SP_SLOT_SERVING, SP_SLOT_DONE, 5, 0xdeadbeef};
	struct hostile hostile;
	struct sp_slot *slot;

	variants(SP_ELEMENTS(states) + 1);
	hostile_greet(&hostile);
	hostile_lock(&hostile);
	if (context.variant == SP_ELEMENTS(states)) {
		/* Every slot is announced, none holds a request. */
		hostile_ring(&hostile, UINT32_MAX);
		hostile_await_end(&hostile, 31);
	}
	slot = &hostile.slots->slot[3];
	atomic_store(&slot->state, states[context.variant]);
	hostile_ring(&hostile, 1u << 3);
	/* DONE by our own hand is not an answer. */
	hostile_await_end(&hostile, 4);
}

static void ask_all_slots(struct hostile *hostile, struct hostile_request *request)
{
	uint8_t bytes[SP_SLOT_BYTES];
	struct hostile_answer answer;

	for (uint32_t i = 0; i < SP_SLOT_COUNT; i++) {
		request->request.generation = UINT32_MAX - i;
		hostile_post(hostile, i, bytes, hostile_encode(request, bytes));
	}
	for (uint32_t i = 0; i < SP_SLOT_COUNT; i++) {
		hostile_wait(hostile, i);
		hostile_take(hostile, i, &answer);
		if (answer.generation != UINT32_MAX - i || answer.result < 0)
			broken("slot %u: generation %u", i, answer.generation);
	}
}

void attack_C10b(void)
{
	static const uint32_t generations[] = {UINT32_MAX, 0, 1, 1, 1, 0, 1u << 31, 7, 6, 5};
	struct hostile_request request;
	struct hostile_answer answer;
	struct hostile hostile;

	variants(1);
	hostile_greet(&hostile);
	hostile_lock(&hostile);
	hostile_fill_call(&request, SP_CALL_stat, in_tree("allowed/file"));
	for (size_t i = 0; i < SP_ELEMENTS(generations); i++) {
		hostile.generation = generations[i];
		hostile_ask(&hostile, &request, &answer);
	}
	ask_all_slots(&hostile, &request);
}

/* ---- C11, C12 ---- */

void attack_C11(void)
{
	static const char *const names[] = {"secret/canary", "secret",
					    "secret/new",    "outside/linked",
					    "allowed/link",  "allowed/up/secret/canary"};
	static const uint64_t flags[] = {0, O_WRONLY, O_RDWR | O_CREAT, O_PATH, O_TMPFILE | O_RDWR};
	struct hostile_request request;
	struct hostile hostile;

	variants(1);
	hostile_greet(&hostile);
	hostile_lock(&hostile);
	for (int id = 0; id < SP_CALL_COUNT; id++)
		for (size_t i = 0; i < SP_ELEMENTS(names); i++)
			for (size_t j = 0; j < SP_ELEMENTS(flags); j++) {
				bool link = strcmp(names[i], "allowed/link") == 0;

				/* The link itself is the sandboxee's own: only open follows it. */
				if (link && sp_call_table[id].operation != SP_OPERATION_OPEN)
					continue;
				if (link && (flags[j] & O_PATH))
					continue;
				hostile_fill_call(&request, (enum sp_call_id)id, in_tree(names[i]));
				request.call.flags = request.call.has_flags ? flags[j] : 0;
				ask_in_vain(&hostile, &request, names[i]);
			}
}

void attack_C12(void)
{
	static const uint64_t sizes[] = {0,          1,          64,        4095,
					 4096,       4097,       1u << 31,  1ull << 32,
					 1ull << 63, UINT64_MAX, INT64_MAX, (1ull << 32) + 1};
	struct hostile_request request;
	struct hostile_answer answer;
	struct hostile hostile;

	variants(1);
	hostile_greet(&hostile);
	hostile_lock(&hostile);
	for (size_t i = 0; i < SP_ELEMENTS(sizes); i++) {
		hostile_fill_call(&request, SP_CALL_readlink, in_tree("allowed/link"));
		request.call.size = sizes[i];
		hostile_ask(&hostile, &request, &answer);
		if (answer.out_length > sizes[i] || answer.out_length > SP_OUT_MAX)
			escape("%zu bytes for a buffer of %llu", answer.out_length,
			       (unsigned long long)sizes[i]);
	}
}

/* ---- C14, C19: on the channel ---- */

static void send_datagram(const void *bytes, size_t length)
{
	if (send(SP_CHANNEL_FD, bytes, length, MSG_NOSIGNAL) < 0)
		broken("a datagram of %zu bytes: %s", length, strerror(errno));
	for (;;)
		(void)pause();
}

void attack_C14(void)
{
	static const uint8_t zeroes[100000];
	static const size_t lengths[] = {1, 256, 257, 65536, 65537, 100000, 0};
	struct hostile hostile;

	variants(SP_ELEMENTS(lengths));
	hostile_greet(&hostile);
	send_datagram(zeroes, lengths[context.variant]);
}

void attack_C19(void)
{
	static const uint8_t hello[] = {0x08, SP_PROTOCOL_VERSION};
	struct hostile hostile;

	variants(1);
	hostile_greet(&hostile);
	send_datagram(hello, sizeof(hello));
}

void attack_C19b(void)
{
	static const uint8_t hello[] = {0x08, SP_PROTOCOL_VERSION + 1};
	uint8_t bytes[64];
	ssize_t length;

	variants(1);
	if (send(SP_CHANNEL_FD, hello, sizeof(hello), MSG_NOSIGNAL) < 0)
		broken("no channel");
	length = recv(SP_CHANNEL_FD, bytes, sizeof(bytes), 0);
	if (length != 2 || bytes[0] != 0x08 || bytes[1] != EPROTO)
		broken("another version was answered with %zd bytes", length);
}

/* ---- C18: what the porter reads changes while it reads ---- */

#define RACED_REQUESTS 30000
#define DAMAGED_REQUESTS 2000

static void *change_path(void *place)
{
	static const char *const tails[] = {"readonly/file", "secret/canary"};
	volatile char *to = place;

	for (unsigned i = 0;; i++)
		for (size_t j = 0; j < strlen(tails[0]); j++)
			to[j] = tails[i & 1][j];
	return NULL;
}

void attack_C18(void)
{
	struct hostile_request request;
	struct hostile hostile;
	uint8_t bytes[SP_SLOT_BYTES], parcel[64];
	size_t length;
	uint8_t *place;
	pthread_t thread;
	int opened = 0;

	variants(1);
	hostile_greet(&hostile);
	hostile_fill_call(&request, SP_CALL_openat, in_tree("readonly/file"));
	length = hostile_encode(&request, bytes);
	place = memmem(bytes, length, "readonly/file", strlen("readonly/file"));
	if (pthread_create(&thread, NULL, change_path,
			   hostile.slots->slot[0].bytes + (place - bytes)) != 0)
		broken("no thread");
	hostile_lock(&hostile);
	for (int i = 0; i < RACED_REQUESTS; i++) {
		/* The other thread writes into replies as well: only a descriptor tells anything. */
		int descriptor = -1;
		ssize_t r;

		hostile_post(&hostile, 0, bytes, length);
		hostile_wait(&hostile, 0);
		r = sp_channel_receive(SP_CHANNEL_FD, parcel, sizeof(parcel), MSG_DONTWAIT,
				       &descriptor);
		opened += r > 0 && descriptor >= 0;
		check_descriptor("a request that changes", r > 0 ? descriptor : -1);
	}
	if (opened == 0)
		broken("no request was served as it was granted");
}

static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void *damage_slots(void *memory)
{
	volatile uint32_t *words = memory;
	uint32_t state = 0xdead + context.variant;

	for (;;) {
		uint32_t where = next_random(&state), what = next_random(&state);
		struct sp_slots *slots = memory;

		/* Half of it hits the control words, and with values that mean something. */
		if (where & 1)
			atomic_store(&slots->slot[where >> 8 & 31].state, what % 6);
		else if (where & 2)
			atomic_store(&slots->slot[where >> 8 & 31].length, what & 0x3fff);
		else
			words[(where >> 8) % (sizeof(*slots) / 4)] = what;
	}
	return NULL;
}

void attack_C18b(void)
{
	struct hostile_request request;
	struct hostile hostile;
	uint8_t bytes[SP_SLOT_BYTES];
	size_t length;
	pthread_t thread;

	variants(20);
	hostile_greet(&hostile);
	hostile_fill_call(&request, SP_CALL_stat, in_tree("allowed/file"));
	length = hostile_encode(&request, bytes);
	if (pthread_create(&thread, NULL, damage_slots, hostile.slots) != 0)
		broken("no thread");
	hostile_lock(&hostile);
	for (uint32_t i = 0; i < DAMAGED_REQUESTS; i++)
		hostile_post(&hostile, i % SP_SLOT_COUNT, bytes, length);
}

/* ---- C20 ---- */

static void fill_random(struct hostile_request *request, uint32_t *state)
{
	static const char *const names[] = {"allowed/file",
					    "allowed/link",
					    "secret/canary",
					    "readonly/file",
					    "allowed/sub/.",
					    "allowed/../secret",
					    "",
					    "outside/linked"};
	Sallyport__Wire__Call *call = &request->call;
	const char *name = names[next_random(state) % SP_ELEMENTS(names)];

	hostile_fill_call(request, (enum sp_call_id)(next_random(state) % SP_CALL_COUNT),
			  *name ? in_tree(name) : name);
	call->flags = call->has_flags ? next_random(state) & next_random(state) : 0;
	call->mode = call->has_mode ? next_random(state) & 07777 : 0;
	call->resolve = call->has_resolve ? next_random(state) & 0x3f : 0;
	call->size = call->has_size ? next_random(state) : 0;
	call->dirfd = next_random(state) & 1 ? AT_FDCWD : (int)(next_random(state) % 8);
	call->umask = next_random(state) & 0777;
}

void attack_C20(void)
{
	uint32_t state = 0xc0ffee + context.variant * 77;
	struct hostile_request request;
	struct hostile_answer answer;
	struct hostile hostile;
	struct text text;
	size_t bit;

	variants(40);
	hostile_greet(&hostile);
	hostile_lock(&hostile);
	for (int i = 0; i < 100; i++) {
		fill_random(&request, &state);
		hostile_ask(&hostile, &request, &answer);
		check_descriptor("a random request", answer.descriptor);
	}
	fill_random(&request, &state);
	text.length = hostile_encode(&request, text.bytes);
	bit = next_random(&state) % (text.length * 8);
	text.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	hostile_post(&hostile, 0, text.bytes, text.length);
	hostile_wait(&hostile, 0);
}
