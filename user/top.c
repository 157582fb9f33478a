// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "target.h"

const char top_help[] =
	"usage: gpreempt top [OPTION]...\n"
	"Shows the queues again and again, and how much is preempted on each device.\n\n"
	"  -b, --batch     no keys and no colours, for files and scripts\n"
	"  -d, --delay SECONDS\n"
	"                  between two looks, default 1\n"
	"  -n, --iterations N\n"
	"                  end after so many looks\n"
	"  -s, --sort KEY  state (the default: preempted ones first, by how long), pid,\n"
	"                  priority, waves, pending or times\n"
	TARGET_HELP
	"  --json          a JSON object for each look; implies --batch\n\n"
	"Keys: q ends it, s sorts by the next key, up and down (or k and j) select a queue,\n"
	"p preempts it and r resumes it. What was preempted so comes back when top ends.\n";

enum sort { BY_STATE, BY_PID, BY_PRIORITY, BY_WAVES, BY_PENDING, BY_TIMES, SORTS };

static const char *const sort_names[SORTS] = {
	[BY_STATE] = "state",
	[BY_PID] = "pid",
	[BY_PRIORITY] = "priority",
	[BY_WAVES] = "waves",
	[BY_PENDING] = "pending",
	[BY_TIMES] = "times",
};

/* For qsort(), which passes nothing on */
static enum sort sort;

/**
 * struct top - what is shown
 * @gp: what p preempts is held by this
 * @t: which queues
 * @s: the latest look
 * @now: counters of each device at this look
 * @before: at the one before
 * @seconds: between both, 0 at the first
 * @selected: its line
 * @chosen: the queue that keys move, wherever it is sorted to
 * @message: what the last key did
 */
struct top {
	struct gpreempt *gp;
	struct target t;
	struct scan s;
	struct gpreempt_counters *now;
	struct gpreempt_counters *before;
	double seconds;
	size_t selected;
	struct gpreempt_queue chosen;
	char message[256];
};

static int descending(uint64_t x, uint64_t y)
{
	return (x < y) - (x > y);
}

static int compare(const void *a, const void *b)
{
	const struct gpreempt_queue *x = a, *y = b;
	int r = 0;

	switch (sort) {
	case BY_STATE:
		r = descending(x->state == GPREEMPT_PREEMPTED, y->state == GPREEMPT_PREEMPTED);
		if (!r && x->state == GPREEMPT_PREEMPTED)
			r = descending(x->since_ns, y->since_ns);
		if (!r)
			r = descending(x->priority, y->priority);
		break;
	case BY_PRIORITY:
		r = descending(x->priority, y->priority);
		break;
	case BY_WAVES:
		r = descending(x->waves, y->waves);
		break;
	case BY_PENDING:
		r = descending(x->pending, y->pending);
		break;
	case BY_TIMES:
		r = descending(x->preemptions, y->preemptions);
		break;
	default:
		break;
	}
	if (!r)
		r = descending(y->pid, x->pid);
	if (!r)
		r = descending(y->gpu_id, x->gpu_id);
	return r ? r : descending(y->id, x->id);
}

static double seconds_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

/* The line of the chosen queue, or if that is gone what is there now */
static void follow(struct top *top)
{
	const struct gpreempt_queue *q = top->s.queues;
	size_t n;

	for (n = 0; n < top->s.nqueues; n++)
		if (q[n].pid == top->chosen.pid && q[n].id == top->chosen.id &&
		    q[n].gpu_id == top->chosen.gpu_id)
			top->selected = n;
	if (top->s.nqueues && top->selected >= top->s.nqueues)
		top->selected = top->s.nqueues - 1;
	if (top->s.nqueues)
		top->chosen = q[top->selected];
}

static void select_line(struct top *top, int step)
{
	if (!top->s.nqueues || (step < 0 && !top->selected) ||
	    (step > 0 && top->selected + 1 >= top->s.nqueues))
		return;
	top->selected += step;
	top->chosen = top->s.queues[top->selected];
}

static void look(struct top *top)
{
	static double last;
	struct gpreempt_counters *swap = top->before;
	double now;
	int i, r;

	r = scan_queues(top->gp, &top->t, GPREEMPT_READ_PENDING | GPREEMPT_READ_WAVES, &top->s);
	if (r)
		die("%s", scan_error(&top->t, r));
	if (top->s.nqueues)
		qsort(top->s.queues, top->s.nqueues, sizeof(*top->s.queues), compare);
	follow(top);
	top->before = top->now;
	top->now = swap;
	for (i = 0; i < top->s.ngpus; i++) {
		r = gpreempt_counters(top->gp, top->s.gpus[i].gpu_id, &top->now[i]);
		if (r)
			die("%s", gpreempt_explain(GPREEMPT_OP_QUERY, r));
	}
	now = seconds_now();
	top->seconds = last ? now - last : 0;
	last = now;
}

static double rate(const struct top *top, uint64_t now, uint64_t before)
{
	return top->seconds > 0 ? (now - before) / top->seconds : NAN;
}

static void print_json(const struct top *top)
{
	struct json j;
	size_t n;
	int i;

	json_init(&j, stdout);
	json_object(&j, NULL);
	json_int(&j, "time", time(NULL));
	json_array(&j, "gpus");
	for (i = 0; i < top->s.ngpus; i++) {
		const struct gpreempt_counters *a = &top->now[i], *b = &top->before[i];

		if (!gpu_matches(&top->s.gpus[i], top->t.gpu))
			continue;
		json_object(&j, NULL);
		json_gpu(&j, &top->s.gpus[i]);
		json_uint(&j, "preemptions", a->preemptions);
		json_uint(&j, "resumes", a->resumes);
		json_uint(&j, "inversions", a->inversions);
		json_uint(&j, "ticks", a->ticks);
		/* null at the first look */
		json_double(&j, "preemptions_per_s", rate(top, a->preemptions, b->preemptions));
		json_double(&j, "resumes_per_s", rate(top, a->resumes, b->resumes));
		json_double(&j, "inversions_per_s", rate(top, a->inversions, b->inversions));
		json_double(&j, "ticks_per_s", rate(top, a->ticks, b->ticks));
		json_end(&j);
	}
	json_end(&j);
	json_array(&j, "queues");
	for (n = 0; n < top->s.nqueues; n++)
		json_queue(&j, &top->s.queues[n]);
	json_end(&j);
	json_end(&j);
}

static void print_rate(const char *name, uint64_t count, double per_second)
{
	if (isnan(per_second))
		printf("  %s %" PRIu64, name, count);
	else
		printf("  %s %" PRIu64 " (%.1f/s)", name, count, per_second);
}

static void print_gpus(const struct top *top)
{
	unsigned long preempted = 0;
	uint64_t longest = 0;
	char text[16];
	size_t n;
	int i;

	for (i = 0; i < top->s.ngpus; i++) {
		const struct gpreempt_counters *a = &top->now[i], *b = &top->before[i];
		uint64_t enabled = 0;

		if (!gpu_matches(&top->s.gpus[i], top->t.gpu))
			continue;
		gpreempt_get(top->gp, top->s.gpus[i].gpu_id, "enable", &enabled);
		printf("GPU %u at %s  monitor %s", top->s.gpus[i].gpu_id, top->s.gpus[i].pci,
		       enabled ? "on" : "off");
		print_rate("preemptions", a->preemptions,
			   rate(top, a->preemptions, b->preemptions));
		print_rate("inversions", a->inversions, rate(top, a->inversions, b->inversions));
		print_rate("looks", a->ticks, rate(top, a->ticks, b->ticks));
		putchar('\n');
	}
	for (n = 0; n < top->s.nqueues; n++) {
		const struct gpreempt_queue *q = &top->s.queues[n];

		if (q->state != GPREEMPT_PREEMPTED)
			continue;
		preempted++;
		if (q->since_ns > longest)
			longest = q->since_ns;
	}
	printf("queues %zu, preempted %lu", top->s.nqueues, preempted);
	if (preempted)
		printf(", the longest for %s", duration(longest, text));
	putchar('\n');
}

static void print_batch(const struct top *top)
{
	size_t n;

	print_gpus(top);
	print_queue_header(stdout);
	for (n = 0; n < top->s.nqueues; n++)
		print_queue(stdout, &top->s.queues[n]);
	putchar('\n');
}

#define CLEAR		"\033[H\033[2J"
#define REVERSE		"\033[7m"
#define BOLD		"\033[1m"
#define NORMAL		"\033[m"
#define SCREEN_ON	"\033[?1049h\033[?25l"
#define SCREEN_OFF	"\033[?25h\033[?1049l"

static struct termios saved;

static void restore_terminal(void)
{
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &saved);
	fputs(SCREEN_OFF, stdout);
	fflush(stdout);
}

static void take_terminal(void)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &saved) || !isatty(STDOUT_FILENO))
		die("this is no terminal: use --batch");
	raw = saved;
	raw.c_lflag &= ~(ICANON | ECHO);
	fputs(SCREEN_ON, stdout);
	atexit(restore_terminal);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
}

static void print_screen(struct top *top)
{
	struct winsize size = { .ws_row = 24 };
	size_t room, first = 0, n;

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	fputs(CLEAR, stdout);
	print_gpus(top);
	printf("%s\n" BOLD, top->message);
	print_queue_header(stdout);
	fputs(NORMAL, stdout);
	/* Devices, a line each, and five more */
	room = size.ws_row > top->s.ngpus + 5 ? size.ws_row - top->s.ngpus - 5 : 1;
	if (top->selected >= room)
		first = top->selected - room + 1;
	for (n = first; n < top->s.nqueues && n < first + room; n++) {
		fputs(n == top->selected ? REVERSE : "", stdout);
		print_queue(stdout, &top->s.queues[n]);
		fputs(NORMAL, stdout);
	}
	printf("q quit  s sort (%s)  up/down select  p preempt  r resume", sort_names[sort]);
}

static void move_queue(struct top *top, bool preempt)
{
	const struct gpreempt_queue *q;
	int r;

	if (top->selected >= top->s.nqueues)
		return;
	q = &top->s.queues[top->selected];
	if (preempt)
		r = gpreempt_preempt(top->gp, q->pid, q->id, GPREEMPT_SAVE, 0);
	else
		r = gpreempt_resume(top->gp, q->pid, q->id, 0);
	snprintf(top->message, sizeof(top->message), "queue %u of process %d: %s", q->id, q->pid,
		 r ? gpreempt_explain(preempt ? GPREEMPT_OP_PREEMPT : GPREEMPT_OP_RESUME, r) :
		 preempt ? "preempted, until r or the end of top" : "resumed");
}

/* False to end */
static bool handle_keys(struct top *top)
{
	char keys[64];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys)), i;

	if (n <= 0)
		return false;
	for (i = 0; i < n; i++) {
		char key = keys[i];

		/* ESC [ A and B, or ESC O A and B */
		if (key == '\033' && i + 2 < n && (keys[i + 1] == '[' || keys[i + 1] == 'O')) {
			key = keys[i + 2] == 'A' ? 'k' : keys[i + 2] == 'B' ? 'j' : 0;
			i += 2;
		}
		switch (key) {
		case 'q':
			return false;
		case 's':
			sort = (sort + 1) % SORTS;
			break;
		case 'k':
			select_line(top, -1);
			break;
		case 'j':
			select_line(top, 1);
			break;
		case 'p':
		case 'r':
			move_queue(top, key == 'p');
			break;
		}
	}
	return true;
}

int cmd_top(int argc, char **argv)
{
	static const struct option options[] = {
		TARGET_OPTIONS,
		{ "batch", no_argument, NULL, 'b' },
		{ "delay", required_argument, NULL, 'd' },
		{ "iterations", required_argument, NULL, 'n' },
		{ "json", no_argument, NULL, 'j' },
		{ "sort", required_argument, NULL, 's' },
		{ NULL },
	};
	struct top top = { .selected = 0 };
	unsigned long iterations = 0, done;
	bool batch = false, json = false;
	struct pollfd fds[2] = { { .events = POLLIN }, { .fd = -1, .events = POLLIN } };
	double delay = 1;
	sigset_t set;
	char *rest;
	int c;

	while ((c = getopt_long(argc, argv, "bd:n:s:", options, NULL)) != -1) {
		switch (c) {
		case 'b':
			batch = true;
			break;
		case 'd':
			delay = strtod(optarg, &rest);
			if (*rest || rest == optarg || !(delay >= 0.01 && delay <= 86400))
				usage("--delay is a number of seconds, 0.01 or more, not '%s'", optarg);
			break;
		case 'j':
			json = true;
			batch = true;
			break;
		case 'n':
			iterations = parse_number("--iterations", optarg, 1, 1000000000);
			break;
		case 's':
			for (sort = 0; sort < SORTS && strcmp(sort_names[sort], optarg); sort++)
				;
			if (sort == SORTS)
				usage("--sort is state, pid, priority, waves, pending or times, not '%s'",
				      optarg);
			break;
		default:
			if (!target_option(&top.t, c, optarg))
				usage(NULL);
		}
	}
	if (optind < argc)
		usage("what is '%s'?", argv[optind]);
	target_check(&top.t);

	top.gp = open_or_die();
	scan_gpus(&top.s);
	top.now = calloc(top.s.ngpus, sizeof(*top.now));
	top.before = calloc(top.s.ngpus, sizeof(*top.before));
	if (!top.now || !top.before)
		die("no memory");

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fds[0].fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fds[0].fd < 0)
		die("signalfd: %m");
	if (!batch) {
		take_terminal();
		fds[1].fd = STDIN_FILENO;
	}
	for (done = 0; ; ) {
		look(&top);
		if (json)
			print_json(&top);
		else if (batch)
			print_batch(&top);
		else
			print_screen(&top);
		if (fflush(stdout) || ++done == iterations)
			break;
		if (poll(fds, 2, delay * 1000) < 0 && errno != EINTR)
			die("poll: %m");
		if (fds[0].revents || (fds[1].revents && !handle_keys(&top)))
			break;
	}
	gpreempt_close(top.gp);
	scan_free(&top.s);
	free(top.now);
	free(top.before);
	return 0;
}
