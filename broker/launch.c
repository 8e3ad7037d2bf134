/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sallyport/broker.h>

#include "broker/calls.h"
#include "broker/init.h"
#include "broker/isolate.h"
#include "broker/landlock.h"
#include "broker/layers.h"
#include "broker/notify.h"
#include "broker/porter.h"
#include "broker/ring.h"
#include "broker/start.h"
#include "ipc/channel.h"
#include "ipc/runtime.h"
#include "ipc/util.h"
#include "policy/rules.h"

#define SPIN_DEFAULT_US 50u

/* Created files have predictable modes, whatever the broker's own mask is. */
#define DEFAULT_UMASK 022

/* 0, 1, 2, channel and doorbell: what a sandboxee has beside what was passed. */
#define OWN_PLACES 5

/* Everything a launch holds. Nothing is released on failure: the process ends with its launch. */
struct launch {
	struct launch_order *order;
	uint32_t isolate; /* what is wanted, then what stands */
	uint32_t optional;
	bool terminals; /* it has its own */
	struct init_process init;
	struct sp_porter_setup setup;
	int outer_proc;           /* O_PATH of the procfs that shows us */
	struct sp_ring_ends ring; /* the sandboxee's; none where it has no runtime */
	int status;               /* tells how the sandboxee's start went */
	struct start_result *result;
	struct sock_fprog floor;
	enum layer failed; /* of the step that failed, where the step knows better */
	char *program;
	const char **argv, **environment;
	struct place *places;
};

static void report_failure(const struct launch *launch, enum layer layer, int error)
{
	Sallyport__Wire__PorterEvent event = SALLYPORT__WIRE__PORTER_EVENT__INIT;
	Sallyport__Wire__PorterEvent__Failed failed = SALLYPORT__WIRE__PORTER_EVENT__FAILED__INIT;
	const char *name = layer_name(layer), *cure = layer_cure(layer);

	failed.layer = (ProtobufCBinaryData){strlen(name), (uint8_t *)(uintptr_t)name};
	failed.error = (uint32_t)-error;
	if (cure) {
		failed.has_cure = true;
		failed.cure = (ProtobufCBinaryData){strlen(cure), (uint8_t *)(uintptr_t)cure};
	}
	event.what_case = SALLYPORT__WIRE__PORTER_EVENT__WHAT_FAILED;
	event.failed = &failed;
	/* If the broker is gone nobody wants to know. */
	(void)sp_channel_send_message(launch->order->control, &event.base, -1);
}

static char *copy_text(const ProtobufCBinaryData *data)
{
	return strndup((const char *)data->data, data->len);
}

static char *copy_program(const Sallyport__Wire__LaunchPlan *plan)
{
	if (plan->has_program)
		return copy_text(&plan->program);
	return plan->n_argument ? copy_text(&plan->argument[0]) : NULL;
}

/* ---- the steps ---- */

static bool is_permissive(const struct launch *launch)
{
	return launch->order->plan->has_permissive;
}

/* Of what those would refuse nobody could tell. */
static bool has_extra_filters(const struct launch *launch)
{
	size_t count;

	(void)sp_rules_extra_filters(launch->setup.rules, &count);
	return count > 0;
}

static struct sock_fprog choose_floor(const struct launch *launch)
{
	const ProtobufCBinaryData *permissive = &launch->order->plan->permissive;

	if (!is_permissive(launch))
		return sp_rules_floor(launch->setup.rules);
	return (struct sock_fprog){
	    .len = (unsigned short)(permissive->len / sizeof(struct sock_filter)),
	    .filter = (struct sock_filter *)(void *)permissive->data,
	};
}

/* Whether the sandboxee locks itself, with what it finds among its descriptors. */
static bool has_runtime(const struct launch *launch)
{
	return launch->order->plan->interception == SP_INTERCEPTION_COOPERATIVE;
}

static bool is_preloaded(const struct launch *launch)
{
	return launch->order->plan->interception == SP_INTERCEPTION_PRELOAD;
}

/* A policy that asks must not run as if nothing had been granted, nor everything. Where nothing is
 * refused nobody is asked: what would be is told with the rest. */
static int check_asking(struct launch *launch, uint32_t asks)
{
	const Sallyport__Wire__LaunchPlan *plan = launch->order->plan;

	if (is_permissive(launch))
		return 0;
	if (asks && !plan->has_ask) {
		launch->failed = LAYER_ASK;
		return -EOPNOTSUPP;
	}
	if ((asks & SP_ASKS_KERNEL) && (has_runtime(launch) || is_preloaded(launch))) {
		launch->failed = LAYER_ASK_CALL;
		return -EOPNOTSUPP;
	}
	launch->setup.asks = asks != 0;
	launch->setup.ask_ms = plan->ask;
	return 0;
}

/* A filter, of whomever, is never followed by strict mode: that it would then have to be entered unlocked is
 * told before anything runs. */
static int check_strict(struct launch *launch)
{
	if (!sp_rules_strict(launch->setup.rules) || is_permissive(launch))
		return 0;
	if (!has_runtime(launch))
		launch->failed = LAYER_STRICT;
	else if (has_extra_filters(launch) || prctl(PR_GET_SECCOMP) != SECCOMP_MODE_DISABLED)
		launch->failed = LAYER_STRICT_FILTER;
	else
		return 0;
	return -EOPNOTSUPP;
}

/* The trap of a runtime outranks what other filters refuse, so that the porter has to refuse it for them: it can
 * where they look at numbers alone, since of arguments it knows what the request says. */
static int check_filters(struct launch *launch)
{
	if (!has_runtime(launch) || is_permissive(launch))
		return 0;
	for (size_t i = 0; i < SP_CALL_COUNT; i++) {
		uint32_t action;

		if (sp_call_table[i].nr < 0 ||
		    sp_rules_foreign_verdict(launch->setup.rules, sp_call_table[i].nr, &action) ==
			0)
			continue;
		if (sp_call_is_conditional(&sp_call_table[i]) &&
		    !sp_rules_grants_addresses(launch->setup.rules) &&
		    !(sp_rules_granted(launch->setup.rules) & (SP_RIGHT_CONNECT | SP_RIGHT_BIND)))
			continue;
		launch->failed = LAYER_FILTERS_ARGUMENTS;
		return -EOPNOTSUPP;
	}
	return 0;
}

static int step_rules(struct launch *launch)
{
	const ProtobufCBinaryData *policy = &launch->order->plan->policy;
	int r = sp_rules_load(policy->data, policy->len, &launch->setup.rules);

	if (r < 0)
		return r;
	r = check_strict(launch);
	if (r == 0)
		r = check_asking(launch, sp_rules_asks(launch->setup.rules));
	if (r == 0)
		r = check_filters(launch);
	if (r < 0)
		return r;
	if (is_permissive(launch) && has_extra_filters(launch)) {
		launch->failed = LAYER_FILTERS;
		return -EOPNOTSUPP;
	}
	launch->floor = choose_floor(launch);
	launch->program = copy_program(launch->order->plan);
	if (!launch->program)
		return -ENOMEM;
	launch->isolate = sp_rules_isolate(launch->setup.rules);
	launch->optional = sp_rules_optional_layers(launch->setup.rules);
	if (is_permissive(launch) && capabilities_allow_filter())
		return 0;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* A porter outside the session of its sandboxee opens no terminal for it; one inside opens the
 * broker's. */
static int step_session(struct launch *launch)
{
	if (!launch->order->plan->keep_session)
		return setsid() < 0 ? -errno : 0;
	return getsid(launch->order->group) == getsid(0) ? 0 : -EPERM;
}

/* The numbers of channel and doorbell must be possible. */
static int step_descriptors(struct launch *launch)
{
	struct rlimit limit;

	(void)launch;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	return limit.rlim_cur <= SP_RESERVED_LAST ? -EMFILE : 0;
}

static int step_user(struct launch *launch)
{
	(void)launch;
	return isolate_user();
}

static bool grants_terminals(const struct launch *launch)
{
	static const char name[] = "/dev/ptmx";
	struct sp_path_decision decision;

	sp_rules_decide(launch->setup.rules, name, sizeof(name) - 1, &decision);
	return decision.rights & SP_RIGHT_WRITE;
}

/* Where there can be no terminals of its own, the sandboxee has none: those of others are never opened. */
static int step_mount(struct launch *launch)
{
	int r = isolate_mount();

	if (r == 0 && grants_terminals(launch))
		launch->terminals = isolate_terminals() == 0;
	return r;
}

static int step_ipc(struct launch *launch)
{
	(void)launch;
	return isolate_ipc();
}

static int step_uts(struct launch *launch)
{
	(void)launch;
	return isolate_uts();
}

/* Later the name /proc leads to the sandbox's procfs, where we are not. */
static int open_outer_proc(struct launch *launch)
{
	launch->outer_proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return launch->outer_proc < 0 ? -errno : 0;
}

/* "…/sallyport-spawner", which we are, becomes "…/<name>". */
static int open_beside(const char *name)
{
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;
	int fd;

	if (length < 0)
		return -errno;
	path[length] = '\0';
	slash = strrchr(path, '/');
	if (!slash || (size_t)(slash + 1 - path) + strlen(name) >= sizeof(path))
		return -ENAMETOOLONG;
	memcpy(slash + 1, name, strlen(name) + 1);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A copy: what sandboxes shared would let them talk to each other, by its locks. */
static int copy_sealed(int from, int *ret_copy)
{
	_cleanup_close_ int copy =
	    memfd_create("sallyport-runtime", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ssize_t n;

	if (copy < 0)
		return -errno;
	while ((n = sendfile(copy, from, NULL, 1 << 20)) > 0)
		;
	if (n < 0 ||
	    fcntl(copy, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return -errno;
	*ret_copy = TAKE_FD(copy);
	return 0;
}

static int step_runtime(struct launch *launch)
{
	_cleanup_close_ int library = -1;

	if (!is_preloaded(launch))
		return 0;
	library = open_beside("libsallyport-preload.so");
	return library < 0 ? library : copy_sealed(library, &launch->setup.runtime);
}

static int step_memory(struct launch *launch)
{
	int r = open_outer_proc(launch);

	if (r == 0 && has_runtime(launch))
		r = sp_ring_ends_make(&launch->setup.ring, &launch->ring);
	if (r < 0)
		return r;
	launch->result = mmap(NULL, sizeof(*launch->result), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return launch->result == MAP_FAILED ? -errno : 0;
}

/* Once for init, sandboxee and ourselves: each drops what it has, but the bounding set is inherited. */
static int step_bound(struct launch *launch)
{
	(void)launch;
	return capabilities_bound();
}

/* The broker gets init's pidfd before any foreign code can run, so that it can always tell when the
 * last process of the sandbox is gone. */
static int step_init(struct launch *launch)
{
	Sallyport__Wire__PorterEvent event = SALLYPORT__WIRE__PORTER_EVENT__INIT;
	Sallyport__Wire__PorterEvent__Init init = SALLYPORT__WIRE__PORTER_EVENT__INIT__INIT;
	int r = init_start(&launch->init);

	if (r < 0)
		return r;
	init.pid = launch->init.pid;
	event.what_case = SALLYPORT__WIRE__PORTER_EVENT__WHAT_INIT;
	event.init = &init;
	r = sp_channel_send_message(launch->order->control, &event.base, launch->init.pidfd);
	return r < 0 ? r : init_release(&launch->init);
}

static int step_view(struct launch *launch)
{
	int proc = is_permissive(launch) ? launch->outer_proc : launch->init.proc;

	int r = sp_view_open(proc, launch->outer_proc, &launch->setup.view);

	return r == 0 && launch->terminals ? sp_view_open_terminals(&launch->setup.view) : r;
}

static bool is_tcp(int fd)
{
	int domain = 0, protocol = 0;
	socklen_t size = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
	       (domain == AF_INET || domain == AF_INET6) &&
	       getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 &&
	       protocol == IPPROTO_TCP;
}

/* They stay in the network that they were made in. */
static bool has_outer_tcp(const struct launch *launch)
{
	for (size_t i = 0; i < launch->order->passed_count; i++)
		if (is_tcp(launch->order->passed[i]))
			return true;
	return false;
}

static int step_landlock(struct launch *launch)
{
	const struct sp_rules *rules = launch->setup.rules;
	bool outer_tcp = has_outer_tcp(launch);
	int r =
	    has_runtime(launch)
		? landlock_make_sandboxee(rules, outer_tcp, &launch->setup.landlock)
		: landlock_make_floor(rules, outer_tcp, launch->program, &launch->setup.landlock);

	if (r < 0)
		return r;
	r = landlock_restrict_porter(rules, outer_tcp);
	if (r < 0)
		(void)close(TAKE_FD(launch->setup.landlock));
	return r;
}

/* ---- the sandboxee ---- */

static const char **copy_vector(const ProtobufCBinaryData *data, size_t count)
{
	/* One more, for what is added. */
	const char **vector = calloc(count + 2, sizeof(*vector));

	for (size_t i = 0; vector && i < count; i++) {
		vector[i] = copy_text(&data[i]);
		if (!vector[i])
			return NULL;
	}
	return vector;
}

/*
 * LD_PRELOAD names the runtime first, so that of all that is preloaded its constructor is the last. A
 * variable of the user's own stays where it is.
 */
static int add_preload(const char **environment, size_t count)
{
	static const char name[] = "LD_PRELOAD=";
	size_t i = 0;
	char *text;

	while (i < count && strncmp(environment[i], name, sizeof(name) - 1) != 0)
		i++;
	if (i == count)
		text = strdup("LD_PRELOAD=" SP_RUNTIME_NAME);
	else if (asprintf(&text, "LD_PRELOAD=" SP_RUNTIME_NAME ":%s",
			  environment[i] + sizeof(name) - 1) < 0)
		text = NULL;
	if (!text)
		return -ENOMEM;
	environment[i] = text;
	return 0;
}

static const char **make_environment(const struct launch *launch)
{
	const Sallyport__Wire__LaunchPlan *plan = launch->order->plan;
	const char **environment = copy_vector(plan->environment, plan->n_environment);

	if (environment && is_preloaded(launch) &&
	    add_preload(environment, plan->n_environment) < 0)
		return NULL;
	return environment;
}

static bool is_passed(const struct launch *launch, uint32_t number)
{
	const Sallyport__Wire__LaunchPlan *plan = launch->order->plan;

	for (size_t i = 0; i < plan->n_number; i++)
		if (plan->number[i] == number)
			return true;
	return false;
}

static int make_places(struct launch *launch, size_t *ret_count)
{
	const struct launch_order *order = launch->order;
	struct place *places = calloc(order->passed_count + OWN_PLACES, sizeof(*places));
	size_t count = 0;

	if (!places)
		return -ENOMEM;
	launch->places = places;
	for (size_t i = 0; i < order->passed_count; i++)
		places[count++] = (struct place){order->passed[i], (int)order->plan->number[i]};
	for (uint32_t number = 0; number <= STDERR_FILENO; number++) {
		int null;

		if (is_passed(launch, number))
			continue;
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (null < 0)
			return -errno;
		places[count++] = (struct place){null, (int)number};
	}
	if (has_runtime(launch)) {
		places[count++] = (struct place){launch->ring.doorbell, SP_DOORBELL_FD};
		places[count++] = (struct place){launch->ring.channel, SP_CHANNEL_FD};
	}
	*ret_count = count;
	return 0;
}

static int make_start(struct launch *launch, struct start *ret_start)
{
	const Sallyport__Wire__LaunchPlan *plan = launch->order->plan;
	struct start start = {
	    .limits = sp_rules_limits(launch->setup.rules),
	    .files = launch->order->files,
	    .permissive = is_permissive(launch),
	    .umask = plan->has_umask ? (mode_t)plan->umask : DEFAULT_UMASK,
	    .network = launch->isolate & SP_ISOLATE_NETWORK,
	    .network_optional = launch->optional & SP_ISOLATE_NETWORK,
	    .loopback = sp_rules_own_network(launch->setup.rules, __NR_bind) ||
			sp_rules_own_network(launch->setup.rules, __NR_connect),
	    .own_user_namespace = launch->isolate & SP_ISOLATE_USER,
	    .program = launch->program,
	    .directory = plan->has_directory ? copy_text(&plan->directory) : "/",
	    .keep_session = plan->keep_session,
	    .filters = {.floor = has_runtime(launch) ? NULL : &launch->floor},
	    .rules = launch->setup.rules,
	    .loader = launch->setup.view.loader,
	    .landlock = has_runtime(launch) ? -1 : launch->setup.landlock,
	    .result = launch->result,
	    .group = launch->order->group,
	    .ignored_signals = plan->has_ignored_signals ? plan->ignored_signals : 0,
	};

	start.filters.extras =
	    sp_rules_extra_filters(launch->setup.rules, &start.filters.extra_count);
	launch->argv = copy_vector(plan->argument, plan->n_argument);
	launch->environment = make_environment(launch);
	if (!start.directory || !launch->argv || !launch->environment)
		return -ENOMEM;
	start.argv = launch->argv;
	start.environment = launch->environment;
	*ret_start = start;
	return make_places(launch, &ret_start->place_count);
}

/*
 * The sandboxee must be our child, made after our Landlock domain, in init's pid namespace; we
 * ourselves must not point our children there, or the porter could make no others. A helper does,
 * sharing our memory as vfork does: nothing is copied, and the pid comes back in a variable.
 * In a permissive launch there is no namespace to enter.
 * The helper also enters the broker's process group where the sandboxee is to be in it, since inside
 * the namespace that group has no number.
 */
static int clone_sandboxee(int namespace, struct start *start, int status, pid_t *ret_pid)
{
	volatile int result = -ECHILD;
	int wait_status;
	pid_t helper = vfork();

	if (helper == 0) {
		result = (namespace >= 0 && setns(namespace, CLONE_NEWPID) < 0) ||
				 (start->keep_session && setpgid(0, start->group) < 0)
			     ? -errno
			     : 0;
		if (result == 0) {
			long pid =
			    syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);

			if (pid == 0)
				start_program(start, status);
			result = pid < 0 ? -errno : (int)pid;
		}
		_exit(0);
	}
	if (helper < 0)
		return -errno;
	while (waitpid(helper, &wait_status, 0) < 0 && errno == EINTR)
		;
	if (result < 0)
		return result;
	*ret_pid = result;
	return 0;
}

static int step_sandboxee(struct launch *launch)
{
	struct start start;
	int status[2], r;

	r = make_start(launch, &start);
	if (r < 0)
		return r;
	start.places = launch->places;
	r = sp_channel_pair(0, status);
	if (r < 0)
		return r;
	launch->status = status[0];
	r = clone_sandboxee(launch->init.namespace, &start, status[1],
			    &launch->setup.sandboxee_pid);
	(void)close(status[1]);
	if (r < 0)
		return r;
	/* Our own child, not reaped yet: the number cannot mean anybody else. */
	launch->setup.sandboxee = pidfd_open(launch->setup.sandboxee_pid, 0);
	return launch->setup.sandboxee < 0 ? -errno : 0;
}

/* What must not outlive the sandboxee in our hands: pipes are to end with it. */
static int step_close(struct launch *launch)
{
	for (size_t i = 0; i < launch->order->passed_count + OWN_PLACES; i++)
		sp_close_pointer(&launch->places[i].from);
	sp_close_pointer(&launch->outer_proc);
	/* On a floor the sandboxee has taken it already, and no runtime is ever sent one. */
	if (!has_runtime(launch) && launch->setup.landlock >= 0)
		(void)close(TAKE_FD(launch->setup.landlock));
	launch->setup.init = TAKE_FD(launch->init.pidfd);
	init_close(&launch->init);
	return 0;
}

/* Sockets are bound to whole names, which start at the root. */
static int step_names(struct launch *launch)
{
	const struct sp_rules *rules = launch->setup.rules;

	return sp_rules_granted(rules) & SP_RIGHT_BIND ? sp_view_enter(&launch->setup.view) : 0;
}

static int step_capabilities(struct launch *launch)
{
	(void)launch;
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return -errno;
	return capabilities_drop();
}

/* What happens while the sandboxee is on its way to its program. */
enum happening { HAPPENED_NOTE, HAPPENED_END, HAPPENED_CALL };

/* Waits for status or listener. The broker's hanging up ends the wait, since the program may lie on a
 * file system that does not answer. */
static int await_either(const struct launch *launch)
{
	struct pollfd polled[] = {{.fd = launch->order->control, .events = POLLRDHUP},
				  {.fd = launch->status, .events = POLLIN},
				  {.fd = launch->setup.listener, .events = POLLIN}};

	for (;;) {
		if (poll(polled, SP_ELEMENTS(polled), -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (polled[0].revents)
			return -EPIPE;
		if (polled[1].revents || polled[2].revents & POLLIN)
			return 0;
		/* An exiting process leaves the floor before it closes its descriptors. */
		polled[2].fd = -1;
	}
}

/* The status comes before the listener: an execve that succeeds closes the one before its program can
 * reach the other. */
static int await(struct launch *launch, struct start_note *ret_note, enum happening *ret_happening)
{
	_cleanup_close_ int descriptor = -1;
	ssize_t n;
	int r = await_either(launch);

	if (r < 0)
		return r;
	n = sp_channel_receive(launch->status, ret_note, sizeof(*ret_note), MSG_DONTWAIT,
			       &descriptor);
	if (n < 0 && n != -EAGAIN)
		return (int)n;
	*ret_happening = n == -EAGAIN ? HAPPENED_CALL : n == 0 ? HAPPENED_END : HAPPENED_NOTE;
	if (n > 0 && n != sizeof(*ret_note))
		return -EIO;
	if (descriptor >= 0 && launch->setup.listener < 0)
		launch->setup.listener = TAKE_FD(descriptor);
	return 0;
}

static int take_note(struct launch *launch, const struct start_note *note)
{
	if (note->error) {
		launch->failed = note->layer;
		return -note->error;
	}
	if (note->pid)
		launch->setup.inner_pid = note->pid;
	return 0;
}

/* The program runs, or the execve failed, or the sandboxee died on the way. */
static int take_end(struct launch *launch)
{
	int error = atomic_load(&launch->result->exec_error);

	launch->failed = LAYER_EXEC;
	return -error;
}

static int report_started(const struct launch *launch)
{
	Sallyport__Wire__PorterEvent event = SALLYPORT__WIRE__PORTER_EVENT__INIT;
	Sallyport__Wire__PorterEvent__Started started =
	    SALLYPORT__WIRE__PORTER_EVENT__STARTED__INIT;

	started.pid = launch->setup.sandboxee_pid;
	event.what_case = SALLYPORT__WIRE__PORTER_EVENT__WHAT_STARTED;
	event.started = &started;
	return sp_channel_send_message(launch->order->control, &event.base, -1);
}

static int step_exec(struct launch *launch)
{
	enum happening happening = HAPPENED_NOTE;

	/* It waits for that where processes are counted; if it has ended, its note says why. */
	if (sp_rules_limits(launch->setup.rules)->processes > 1)
		(void)sp_channel_send(launch->status, "", 1, -1);
	while (happening != HAPPENED_END) {
		struct start_note note;
		int r = await(launch, &note, &happening);

		if (r == 0 && happening == HAPPENED_NOTE)
			r = take_note(launch, &note);
		else if (r == 0 && happening == HAPPENED_CALL)
			r = sp_notify_launching(launch->setup.listener);
		else if (r == 0)
			r = take_end(launch);
		if (r < 0)
			return r;
	}
	sp_close_pointer(&launch->status);
	launch->status = -1;
	return report_started(launch);
}

static int step_porter(struct launch *launch)
{
	struct sock_fprog filter = has_runtime(launch)
				       ? sp_rules_porter_filter(launch->setup.rules)
				       : sp_rules_listener_filter(launch->setup.rules);
	struct sp_porter *porter;
	int r;

	/* Orphans come to us where there is no init for them. */
	if (is_permissive(launch) && prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return -errno;
	/* What is written beyond our own limit on sizes fails; it must not kill. */
	(void)signal(SIGXFSZ, SIG_IGN);
	/* The porter takes its own: the failures of this step are still ours to report. */
	launch->setup.permissive = is_permissive(launch);
	launch->setup.helper = launch->result->helper;
	launch->setup.control = fcntl(launch->order->control, F_DUPFD_CLOEXEC, 0);
	if (launch->setup.control < 0)
		return -errno;
	r = sp_porter_prepare_take(&launch->setup, &porter);
	if (r < 0)
		return r;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) < 0)
		return -errno;
	(void)close(TAKE_FD(launch->order->control));
	(void)sp_porter_run(porter);
	_exit(0);
}

/* In this order; `isolate`: taken only where the policy asks for one of these; `wall`: not in a permissive launch,
 * whose program is to get the answers that it would get without us. */
static const struct {
	enum layer layer;
	uint32_t isolate;
	bool wall;
	int (*take)(struct launch *launch);
} steps[] = {
    {LAYER_POLICY, 0, false, step_rules},
    {LAYER_RUNTIME, 0, false, step_runtime},
    {LAYER_SESSION, 0, false, step_session},
    {LAYER_DESCRIPTORS, 0, false, step_descriptors},
    {LAYER_USER, SP_ISOLATE_USER, true, step_user},
    /* A pid namespace always stands, and its /proc must not be mounted on the host's. */
    {LAYER_MOUNT, 0, true, step_mount},
    {LAYER_IPC, SP_ISOLATE_IPC, true, step_ipc},
    {LAYER_UTS, SP_ISOLATE_UTS, true, step_uts},
    {LAYER_MEMORY, 0, false, step_memory},
    {LAYER_CAPABILITIES, 0, true, step_bound},
    {LAYER_PID, 0, true, step_init},
    {LAYER_VIEW, 0, false, step_view},
    {LAYER_LANDLOCK, SP_ISOLATE_LANDLOCK, true, step_landlock},
    {LAYER_SANDBOXEE, 0, false, step_sandboxee},
    {LAYER_SANDBOXEE, 0, false, step_close},
    {LAYER_VIEW, 0, true, step_names},
    {LAYER_CAPABILITIES, 0, true, step_capabilities},
    {LAYER_SANDBOXEE, 0, false, step_exec},
    {LAYER_PORTER, 0, false, step_porter},
};

static void take_steps(struct launch *launch)
{
	for (size_t i = 0; i < SP_ELEMENTS(steps); i++) {
		int r;

		if (steps[i].isolate && !(launch->isolate & steps[i].isolate))
			continue;
		if (steps[i].wall && is_permissive(launch))
			continue;
		launch->failed = steps[i].layer;
		r = steps[i].take(launch);
		if (r < 0 && launch->optional & steps[i].isolate)
			launch->isolate &= ~steps[i].isolate;
		else if (r < 0) {
			report_failure(launch, launch->failed, r);
			return;
		}
	}
}

_Noreturn void launch_run(struct launch_order *order)
{
	struct launch launch = {
	    .order = order,
	    .init = INIT_PROCESS_NONE,
	    .setup =
		{
		    .control = -1,
		    .ring = SP_RING_ENDS_NONE,
		    .landlock = -1,
		    .listener = -1,
		    .runtime = -1,
		    .init = -1,
		    .sandboxee = -1,
		    .view = SP_VIEW_NONE,
		    .spin_us = order->plan->has_spin ? order->plan->spin : SPIN_DEFAULT_US,
		},
	    .outer_proc = -1,
	    .ring = SP_RING_ENDS_NONE,
	    .status = -1,
	};

	take_steps(&launch);
	_exit(1);
}
