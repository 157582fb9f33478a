// SPDX-License-Identifier: GPL-2.0
/*
 * A hold lasts as long as the open file through which it was asked for, so
 * preempt stays, and looks for new queues of its target.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "runfile.h"
#include "target.h"

#define RESCAN_MS	100

const char preempt_help[] =
	"usage: gpreempt preempt TARGET [OPTION]... [-- COMMAND [ARGUMENT]...]\n"
	"Takes queues off the GPU, with what they compute saved, and holds them: until\n"
	"a signal (Ctrl-C, SIGTERM), the end of standard input if that is a pipe, the end\n"
	"of COMMAND, or of the target. They then go on where they were, also if gpreempt\n"
	"is killed. Queues that the target creates meanwhile are taken within 100 ms.\n\n"
	TARGET_HELP
	"  --drain         wait until running waves have ended instead of saving them;\n"
	"                  for devices without a hardware scheduler\n"
	"  --timeout MS    how long to wait for that, default: the driver's\n"
	"  --detach        hold in the background, until 'gpreempt resume' is called with\n"
	"                  the same target\n"
	"  --json          a JSON object for each thing that happens\n\n"
	"The exit status is COMMAND's if there is one, else 1 if a queue was refused.\n";

const char resume_help[] =
	"usage: gpreempt resume TARGET [OPTION]...\n"
	"Ends the hold of 'gpreempt preempt --detach' with the same target.\n\n"
	TARGET_HELP
	"  --json          a JSON object for each thing that happens\n\n"
	"The exit status is 1 if another program still holds a queue of the target.\n";

/**
 * struct hold - a queue of the target
 * @q: the queue
 * @error: why it could not be preempted, 0 if it is held
 * @seen: it was there in the latest scan
 */
struct hold {
	struct gpreempt_queue q;
	int error;
	bool seen;
};

/**
 * struct holder - all that preempt is about
 * @gp: what is held is held by this
 * @t: the target
 * @s: the latest scan
 * @how: of --drain
 * @timeout_ms: of --timeout
 * @holds: queues that are held or were refused
 * @nholds: how many
 * @held: how many of them are held
 * @refused: a queue was refused
 * @out: where things that happen are said
 * @json: to be written as JSON
 */
struct holder {
	struct gpreempt *gp;
	struct target t;
	struct scan s;
	enum gpreempt_how how;
	unsigned int timeout_ms;
	struct hold *holds;
	size_t nholds;
	size_t held;
	bool refused;
	FILE *out;
	bool json;
};

static void say_queue(FILE *out, bool json, const char *event, const struct gpreempt_queue *q,
		      int error, const char *why)
{
	struct json j;

	if (json) {
		json_init(&j, out);
		json_object(&j, NULL);
		json_string(&j, "event", event);
		json_uint(&j, "gpu_id", q->gpu_id);
		json_int(&j, "pid", q->pid);
		json_uint(&j, "queue", q->id);
		if (why) {
			json_int(&j, "error", error < 0 ? -error : error);
			json_string(&j, "why", why);
		}
		json_end(&j);
	} else {
		fprintf(out, "%s: queue %u of process %d on GPU %u%s%s\n", event, q->id, q->pid,
			q->gpu_id, why ? ": " : "", why ? why : "");
	}
	fflush(out);
}

static void say_number(FILE *out, bool json, const char *event, const char *name, long n,
		       const char *text)
{
	struct json j;

	if (json) {
		json_init(&j, out);
		json_object(&j, NULL);
		json_string(&j, "event", event);
		json_int(&j, name, n);
		json_end(&j);
	} else {
		fprintf(out, text, n);
	}
	fflush(out);
}

static bool same_queue(const struct gpreempt_queue *a, const struct gpreempt_queue *b)
{
	return a->pid == b->pid && a->id == b->id && a->gpu_id == b->gpu_id;
}

static struct hold *find_hold(struct holder *h, const struct gpreempt_queue *q)
{
	size_t i;

	for (i = 0; i < h->nholds; i++)
		if (same_queue(&h->holds[i].q, q))
			return &h->holds[i];
	h->holds = reallocarray(h->holds, h->nholds + 1, sizeof(*h->holds));
	if (!h->holds)
		die("no memory");
	/* An error that no ioctl returns, so that the first one is told */
	h->holds[h->nholds] = (struct hold){ .q = *q, .error = 1 };
	return &h->holds[h->nholds++];
}

/* These pass; with others the device would be asked again ten times a second */
static bool worth_retrying(int error)
{
	return error == -EBUSY || error == -ENOMEM;
}

/*
 * Asked in each scan: a queue that is held already costs nothing, and one that
 * was destroyed and created anew has the same number, and is not held.
 */
static void take(struct holder *h, const struct gpreempt_queue *q)
{
	struct hold *hold = find_hold(h, q);
	int r;

	hold->seen = true;
	if (hold->error < 0 && !worth_retrying(hold->error))
		return;
	r = gpreempt_preempt(h->gp, q->pid, q->id, h->how, h->timeout_ms);
	if (r == -EINVAL || r == -ESRCH) {
		hold->seen = false;
		return;
	}
	if (r && r != hold->error) {
		say_queue(h->out, h->json, "refused", q, r,
			  gpreempt_explain(GPREEMPT_OP_PREEMPT, r));
		h->refused = true;
	} else if (!r && hold->error) {
		say_queue(h->out, h->json, "held", q, 0, NULL);
	}
	hold->error = r;
}

/* False when the target is gone */
static bool rescan(struct holder *h)
{
	size_t i, n = 0;
	int r;

	r = scan_queues(h->gp, &h->t, 0, &h->s);
	if (r == -ENOENT || r == -ENODEV)
		return false;
	if (r)
		die("%s", scan_error(&h->t, r));
	for (i = 0; i < h->nholds; i++)
		h->holds[i].seen = false;
	for (i = 0; i < h->s.nqueues; i++)
		if (h->s.queues[i].pid != getpid())
			take(h, &h->s.queues[i]);
	h->held = 0;
	for (i = 0; i < h->nholds; i++) {
		if (!h->holds[i].seen) {
			if (!h->holds[i].error)
				say_queue(h->out, h->json, "ended", &h->holds[i].q, 0, NULL);
			continue;
		}
		h->held += !h->holds[i].error;
		h->holds[n++] = h->holds[i];
	}
	h->nholds = n;
	return true;
}

static pid_t run_command(char **argv, const sigset_t *mask)
{
	pid_t pid = fork();

	if (pid < 0)
		die("cannot fork: %m");
	if (!pid) {
		sigprocmask(SIG_SETMASK, mask, NULL);
		execvp(argv[0], argv);
		warn("cannot run %s: %m", argv[0]);
		_exit(127);
	}
	return pid;
}

/* A terminal signals by itself, and what is always at its end ends nothing */
static bool stdin_is_pipe(void)
{
	struct stat st;

	return !fstat(STDIN_FILENO, &st) && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
}

/* A pipe ends the hold with its end, and the FIFO of resume, which has none, with a byte */
static bool ends_with(int input)
{
	char text[4096];
	ssize_t n = read(input, text, sizeof(text));

	if (n > 0)
		return input != STDIN_FILENO;
	return !n || (errno != EINTR && errno != EAGAIN);
}

/* hold() returns this or, 0 to 255, the exit status of the command */
#define RELEASED	-1
#define GONE		-2

static int hold(struct holder *h, char **command, int pidfd, int input)
{
	struct pollfd fds[] = {
		{ .events = POLLIN },
		{ .fd = input, .events = POLLIN },
		{ .fd = pidfd, .events = POLLIN },
	};
	struct signalfd_siginfo info;
	sigset_t set, old;
	pid_t child = 0;
	int status;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, &old);
	fds[0].fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fds[0].fd < 0)
		die("signalfd: %m");
	if (command)
		child = run_command(command, &old);

	for (;;) {
		if (poll(fds, 3, RESCAN_MS) < 0 && errno != EINTR)
			die("poll: %m");
		if (fds[0].revents && read(fds[0].fd, &info, sizeof(info)) == sizeof(info)) {
			if (info.ssi_signo != SIGCHLD && !child)
				break;
			/* A terminal has sent it to COMMAND as well */
			if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGHUP)
				kill(child, info.ssi_signo);
			if (child && waitpid(child, &status, WNOHANG) == child)
				return WIFEXITED(status) ? WEXITSTATUS(status) :
				       128 + WTERMSIG(status);
		}
		if (fds[1].revents && ends_with(input))
			break;
		if (fds[2].revents) {
			fds[2].fd = -1;
			if (!child)
				return GONE;
		}
		if (!rescan(h) && !child)
			return GONE;
	}
	return RELEASED;
}

/* Where the process that was called waits for how the first scan went */
static int caller = -1;

static void detach(void)
{
	int fds[2];
	char refused;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		die("pipe: %m");
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		die("cannot fork: %m");
	if (pid) {
		close(fds[1]);
		if (read(fds[0], &refused, 1) != 1)
			_exit(1);
		_exit(refused);
	}
	close(fds[0]);
	caller = fds[1];
	setsid();
	if (chdir("/"))
		die("/: %m");
}

static void detached(bool refused)
{
	char status = refused;
	int null;

	null = open("/dev/null", O_RDWR);
	if (null < 0)
		die("/dev/null: %m");
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	if (null > STDERR_FILENO)
		close(null);
	openlog("gpreempt", LOG_PID, LOG_DAEMON);
	to_syslog = true;
	/* If it is gone by now, nobody wants to know */
	signal(SIGPIPE, SIG_IGN);
	if (write(caller, &status, 1) != 1)
		warn("nobody waits for the first scan");
	close(caller);
}

int cmd_preempt(int argc, char **argv)
{
	static const struct option options[] = {
		TARGET_OPTIONS,
		{ "detach", no_argument, NULL, 'd' },
		{ "drain", no_argument, NULL, 'D' },
		{ "json", no_argument, NULL, 'j' },
		{ "timeout", required_argument, NULL, 't' },
		{ NULL },
	};
	struct holder h = { .how = GPREEMPT_SAVE, .out = stdout };
	struct runfile f = { .fd = -1 };
	char cgroup[4096];
	char **command = NULL;
	bool in_background = false;
	int c, status, input, pidfd = -1;
	bool gone;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (c == 'd')
			in_background = true;
		else if (c == 'D')
			h.how = GPREEMPT_DRAIN;
		else if (c == 'j')
			h.json = true;
		else if (c == 't')
			h.timeout_ms = parse_number("--timeout", optarg, 1, 3600000);
		else if (!target_option(&h.t, c, optarg))
			usage(NULL);
	}
	if (optind < argc) {
		if (strcmp(argv[optind - 1], "--"))
			usage("what is '%s'? A command comes after '--'", argv[optind]);
		command = argv + optind;
	}
	target_check(&h.t);
	if (target_is_any(&h.t))
		usage("what is to be preempted: --pid, --cgroup or --gpu?");
	if (command && in_background)
		usage("--detach and a command exclude each other");
	if (h.timeout_ms && h.how != GPREEMPT_DRAIN)
		usage("--timeout is for --drain");
	/* Standard output is the command's */
	if (command)
		h.out = stderr;
	if (h.t.cgroup) {
		if (!realpath(h.t.cgroup, cgroup))
			die("%s: %m", h.t.cgroup);
		h.t.cgroup = cgroup;
	}
	if (h.t.pid) {
		pidfd = syscall(SYS_pidfd_open, h.t.pid, 0);
		if (pidfd < 0 && errno != ENOSYS)
			die("process %d: %s", h.t.pid, errno == EINVAL ?
			    "this is a thread of another process" : strerror(errno));
	}

	if (in_background) {
		/* An error of the device is to be told before */
		gpreempt_close(open_or_die());
		if (!runfile_take(&f, &h.t))
			die("the target is held already: 'gpreempt resume' ends that");
		detach();
	}
	/* KFD knows who opened a file, so not before the fork */
	h.gp = open_or_die();
	scan_gpus(&h.s);
	gone = !rescan(&h);
	if (gone)
		die("%s", scan_error(&h.t, -ENOENT));
	say_number(h.out, h.json, "holding", "queues", h.held,
		   "holding queues: %ld; new ones are looked for each 100 ms\n");
	if (in_background)
		detached(h.refused);

	/* Standard input is the command's, too */
	input = f.fd;
	if (!in_background && !command && stdin_is_pipe())
		input = STDIN_FILENO;
	status = hold(&h, command, pidfd, input);

	gpreempt_close(h.gp);
	if (status == GONE)
		say_number(h.out, h.json, "gone", "queues", h.held,
			   "the target is gone, with queues: %ld\n");
	else
		say_number(h.out, h.json, "released", "queues", h.held, "released queues: %ld\n");
	runfile_remove(&f);
	scan_free(&h.s);
	free(h.holds);
	return status >= 0 ? status : h.refused;
}

int cmd_resume(int argc, char **argv)
{
	static const struct option options[] = {
		TARGET_OPTIONS,
		{ "json", no_argument, NULL, 'j' },
		{ NULL },
	};
	struct target t = { .pid = 0 };
	struct scan s = { .ngpus = 0 };
	struct gpreempt *gp;
	bool json = false;
	int status = 0;
	size_t i;
	int c, r;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'j')
			json = true;
		else if (!target_option(&t, c, optarg))
			usage(NULL);
	}
	if (optind < argc)
		usage("what is '%s'?", argv[optind]);
	target_check(&t);
	if (target_is_any(&t))
		usage("what is to be resumed: --pid, --cgroup or --gpu?");

	if (runfile_end_holder(&t))
		say_number(stdout, json, "released", "holders", 1, "ended holds: %ld\n");

	gp = open_or_die();
	scan_gpus(&s);
	r = scan_queues(gp, &t, 0, &s);
	/* Nothing is left of a target that is gone */
	if (r && r != -ENOENT)
		die("%s", scan_error(&t, r));
	for (i = 0; i < s.nqueues; i++) {
		struct gpreempt_queue *q = &s.queues[i];

		if (q->state != GPREEMPT_PREEMPTED || q->holder == GPREEMPT_HOLDER_MONITOR)
			continue;
		/* Nobody's can be resumed by anybody, and one that another holds by that one */
		r = gpreempt_resume(gp, q->pid, q->id, 0);
		if (r == -EINVAL || r == -ESRCH)
			continue;
		say_queue(stdout, json, r ? "refused" : "resumed", q, r,
			  r ? gpreempt_explain(GPREEMPT_OP_RESUME, r) : NULL);
		if (r)
			status = 1;
	}
	scan_free(&s);
	gpreempt_close(gp);
	return status;
}
