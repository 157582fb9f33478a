// SPDX-License-Identifier: GPL-2.0
/* Reads the events of kfd_gpreempt from an instance of tracefs of its own. */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "target.h"

/* trace_pipe wakes nobody for a single event */
#define POLL_MS		50
#define INSTANCE	"gpreempt-"

const char trace_help[] =
	"usage: gpreempt trace [OPTION]...\n"
	"Prints what is preempted and resumed as it happens, until Ctrl-C; then a summary.\n"
	"Needs access to tracefs, which root has.\n\n"
	"  -d, --duration SECONDS\n"
	"                  end after this time\n"
	"  --gpu GPU       of this device only: a gpu_id, or a PCI address\n"
	"  --json          a JSON object for each event, and one for the summary\n\n"
	"Times: wait, since the monitor's look before it found a queue waiting; save, until\n"
	"the waves of a queue were saved; off, from a preemption to the resume; restore,\n"
	"what the request to resume took. PIDs are those of the initial namespace.\n";

/* Times of one kind */
struct times {
	uint64_t *ns;
	size_t n;
	size_t room;
};

/* How often something came, by the word for it */
struct counts {
	struct {
		char word[24];
		unsigned long n;
	} of[16];
	size_t n;
};

struct summary {
	unsigned long inversions, giveups, errors, lost;
	struct counts preemptions, resumes;
	struct times wait, save, off;
};

static void add_time(struct times *t, uint64_t ns)
{
	if (t->n == t->room) {
		t->room = t->room * 2 + 1024;
		t->ns = reallocarray(t->ns, t->room, sizeof(*t->ns));
		if (!t->ns)
			die("no memory");
	}
	t->ns[t->n++] = ns;
}

static void add_count(struct counts *c, const char *word)
{
	size_t i;

	for (i = 0; i < c->n && strcmp(c->of[i].word, word); i++)
		;
	if (i == c->n) {
		if (i == sizeof(c->of) / sizeof(c->of[0]))
			return;
		snprintf(c->of[c->n++].word, sizeof(c->of[0].word), "%s", word);
	}
	c->of[i].n++;
}

static unsigned long total(const struct counts *c)
{
	unsigned long n = 0;
	size_t i;

	for (i = 0; i < c->n; i++)
		n += c->of[i].n;
	return n;
}

static int by_time(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The smallest time that so many per cent do not exceed */
static uint64_t percentile(const struct times *t, unsigned int percent)
{
	return t->ns[(t->n * percent + 99) / 100 - 1];
}

/* "NAME=VALUE", up to the next space */
static bool field(const char *line, const char *name, char *value, size_t size)
{
	size_t len = strlen(name), n;
	const char *p = line;

	while ((p = strstr(p, name))) {
		if (p != line && p[-1] == ' ' && p[len] == '=') {
			p += len + 1;
			n = strcspn(p, " \n");
			snprintf(value, size, "%.*s", (int)n, p);
			return true;
		}
		p += len;
	}
	*value = 0;
	return false;
}

static uint64_t number(const char *line, const char *name)
{
	char text[32];

	return field(line, name, text, sizeof(text)) ? strtoull(text, NULL, 10) : 0;
}

struct event {
	char kind[16];		/* inversion, preempt, resume, giveup */
	double time;
	uint64_t gpu_id, pid, queue, priority, level, victims;
	uint64_t wait_ns, save_ns, off_ns, restore_ns;
	int error;
	char who[16], reason[16];
	char what[64];
};

/* "COMM-PID [CPU] FLAGS TIME: gpreempt_KIND: NAME=VALUE..." */
static bool parse(const char *line, struct event *e)
{
	const char *name = strstr(line, ": gpreempt_");
	const char *time = name;
	char text[16];

	if (!name)
		return false;
	memset(e, 0, sizeof(*e));
	while (time > line && time[-1] != ' ')
		time--;
	e->time = strtod(time, NULL);
	name += strlen(": gpreempt_");
	snprintf(e->kind, sizeof(e->kind), "%.*s", (int)strcspn(name, ":"), name);
	e->gpu_id = number(name, "gpu_id");
	e->pid = number(name, "pid");
	e->queue = number(name, "queue");
	e->priority = number(name, "priority");
	e->level = number(name, "level");
	e->victims = number(name, "victims");
	e->wait_ns = number(name, "wait_ns");
	e->save_ns = number(name, "save_ns");
	e->off_ns = number(name, "off_ns");
	e->restore_ns = number(name, "restore_ns");
	field(name, "who", e->who, sizeof(e->who));
	field(name, "reason", e->reason, sizeof(e->reason));
	if (field(name, "err", text, sizeof(text)))
		e->error = atoi(text);
	if (!strcmp(e->kind, "giveup")) {
		name = strstr(name, "no answer from ");
		if (name)
			snprintf(e->what, sizeof(e->what), "%.*s",
				 (int)strcspn(name + 15, "\n"), name + 15);
	}
	return true;
}

static void count(struct summary *sum, const struct event *e)
{
	if (!strcmp(e->kind, "inversion")) {
		sum->inversions++;
		add_time(&sum->wait, e->wait_ns);
	} else if (!strcmp(e->kind, "giveup")) {
		sum->giveups++;
	} else if (e->error) {
		sum->errors++;
	} else if (!strcmp(e->kind, "preempt")) {
		add_count(&sum->preemptions, e->reason);
		add_time(&sum->save, e->save_ns);
	} else if (!strcmp(e->kind, "resume")) {
		add_count(&sum->resumes, e->reason);
		add_time(&sum->off, e->off_ns);
	}
}

static void print_event(const struct event *e)
{
	char a[16], b[16];

	printf("%12.6f GPU %" PRIu64 " ", e->time, e->gpu_id);
	if (!strcmp(e->kind, "giveup")) {
		printf("the monitor is off: no answer from %s\n", e->what);
		return;
	}
	printf("%-9s pid %" PRIu64 " queue %" PRIu64 " priority %" PRIu64, e->kind, e->pid,
	       e->queue, e->priority);
	if (e->level != e->priority)
		printf(" (counts as %" PRIu64 ")", e->level);
	if (!strcmp(e->kind, "inversion"))
		printf(": %" PRIu64 " in its way, wait %s", e->victims,
		       duration(e->wait_ns, a));
	else if (!strcmp(e->kind, "preempt"))
		printf(": %s, by %s, save %s", e->reason, e->who, duration(e->save_ns, a));
	else
		printf(": %s, by %s, off %s, restore %s", e->reason, e->who,
		       duration(e->off_ns, a), duration(e->restore_ns, b));
	if (e->error)
		printf(", failed: %s", strerror(-e->error));
	putchar('\n');
}

static void json_event(const struct event *e)
{
	struct json j;

	json_init(&j, stdout);
	json_object(&j, NULL);
	json_string(&j, "event", e->kind);
	json_double(&j, "time", e->time);
	json_uint(&j, "gpu_id", e->gpu_id);
	if (!strcmp(e->kind, "giveup")) {
		json_string(&j, "what", e->what);
		json_end(&j);
		return;
	}
	json_uint(&j, "pid", e->pid);
	json_uint(&j, "queue", e->queue);
	json_uint(&j, "priority", e->priority);
	json_uint(&j, "level", e->level);
	if (!strcmp(e->kind, "inversion")) {
		json_uint(&j, "victims", e->victims);
		json_uint(&j, "wait_ns", e->wait_ns);
	} else {
		json_string(&j, "who", e->who);
		json_string(&j, "reason", e->reason);
		if (!strcmp(e->kind, "preempt")) {
			json_uint(&j, "save_ns", e->save_ns);
		} else {
			json_uint(&j, "off_ns", e->off_ns);
			json_uint(&j, "restore_ns", e->restore_ns);
		}
		json_int(&j, "error", -e->error);
	}
	json_end(&j);
}

static void print_times(const char *name, struct times *t)
{
	char p50[16], p99[16], max[16];

	if (!t->n)
		return;
	qsort(t->ns, t->n, sizeof(*t->ns), by_time);
	printf("  %-7s p50 %s, p99 %s, max %s\n", name, duration(percentile(t, 50), p50),
	       duration(percentile(t, 99), p99), duration(t->ns[t->n - 1], max));
}

static void print_counts(const char *name, const struct counts *c)
{
	size_t i;

	printf("%s: %lu", name, total(c));
	for (i = 0; i < c->n; i++)
		printf("%s%s %lu", i ? ", " : " (", c->of[i].word, c->of[i].n);
	puts(c->n ? ")" : "");
}

static void print_summary(struct summary *sum, double seconds)
{
	printf("\nin %.1f s\ninversions: %lu\n", seconds, sum->inversions);
	print_times("wait", &sum->wait);
	print_counts("preemptions", &sum->preemptions);
	print_times("save", &sum->save);
	print_counts("resumes", &sum->resumes);
	print_times("off", &sum->off);
	if (sum->errors)
		printf("failed: %lu\n", sum->errors);
	if (sum->giveups)
		printf("monitors that gave up: %lu; see the kernel log\n", sum->giveups);
	if (sum->lost)
		printf("events that were lost, and are not counted: %lu\n", sum->lost);
}

static void json_times(struct json *j, const char *name, struct times *t)
{
	json_object(j, name);
	json_uint(j, "count", t->n);
	if (t->n) {
		qsort(t->ns, t->n, sizeof(*t->ns), by_time);
		json_uint(j, "p50", percentile(t, 50));
		json_uint(j, "p99", percentile(t, 99));
		json_uint(j, "max", t->ns[t->n - 1]);
	}
	json_end(j);
}

static void json_counts(struct json *j, const char *name, const struct counts *c)
{
	size_t i;

	json_object(j, name);
	json_uint(j, "count", total(c));
	json_object(j, "reasons");
	for (i = 0; i < c->n; i++)
		json_uint(j, c->of[i].word, c->of[i].n);
	json_end(j);
	json_end(j);
}

static void json_summary(struct summary *sum, double seconds)
{
	struct json j;

	json_init(&j, stdout);
	json_object(&j, NULL);
	json_string(&j, "event", "summary");
	json_double(&j, "seconds", seconds);
	json_uint(&j, "inversions", sum->inversions);
	json_counts(&j, "preemptions", &sum->preemptions);
	json_counts(&j, "resumes", &sum->resumes);
	json_times(&j, "wait_ns", &sum->wait);
	json_times(&j, "save_ns", &sum->save);
	json_times(&j, "off_ns", &sum->off);
	json_uint(&j, "failed", sum->errors);
	json_uint(&j, "giveups", sum->giveups);
	json_uint(&j, "lost", sum->lost);
	json_end(&j);
}

static char instance[4096];

static void remove_instance(void)
{
	if (*instance && rmdir(instance))
		warn("cannot remove %s: %m", instance);
	*instance = 0;
}

static int write_file(const char *file, const char *text)
{
	char path[sizeof(instance) + 64];
	int fd, r = 0;

	snprintf(path, sizeof(path), "%s/%s", instance, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		r = -errno;
	close(fd);
	return r;
}

static const char *find_tracefs(void)
{
	static const char *const places[] = {
		"/sys/kernel/tracing", "/sys/kernel/debug/tracing",
	};
	char path[64];
	size_t i;

	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/instances", places[i]);
		if (!access(path, W_OK))
			return places[i];
		if (errno == EACCES || errno == EPERM)
			die("may not use %s: do it as root", places[i]);
	}
	die("no tracefs: as root, mount -t tracefs tracefs /sys/kernel/tracing");
}

/* Those of processes that were killed */
static void remove_old_instances(const char *tracefs)
{
	char path[300];
	struct dirent *d;
	DIR *dir;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/instances", tracefs);
	dir = opendir(path);
	if (!dir)
		return;
	while ((d = readdir(dir))) {
		if (strncmp(d->d_name, INSTANCE, strlen(INSTANCE)))
			continue;
		pid = atoi(d->d_name + strlen(INSTANCE));
		snprintf(path, sizeof(path), "%s/instances/%.200s", tracefs, d->d_name);
		if (pid > 0 && kill(pid, 0) && errno == ESRCH)
			rmdir(path);
	}
	closedir(dir);
}

/* Returns trace_pipe */
static int start(void)
{
	const char *tracefs = find_tracefs();
	char path[sizeof(instance) + 16];
	int fd, r;

	snprintf(path, sizeof(path), "%s/events/kfd_gpreempt", tracefs);
	if (access(path, F_OK))
		die("the kernel has no events of kfd_gpreempt: load amdgpu, with CONFIG_HSA_AMD_GPREEMPT and CONFIG_TRACEPOINTS");
	remove_old_instances(tracefs);
	snprintf(instance, sizeof(instance), "%s/instances/" INSTANCE "%d", tracefs, getpid());
	if (mkdir(instance, 0700)) {
		r = errno;
		snprintf(path, sizeof(path), "%s", instance);
		*instance = 0;
		die("cannot make %s: %s", path, strerror(r));
	}
	atexit(remove_instance);
	r = write_file("events/kfd_gpreempt/enable", "1");
	if (r)
		die("cannot turn on the events of kfd_gpreempt: %s", strerror(-r));
	snprintf(path, sizeof(path), "%s/trace_pipe", instance);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		die("%s: %m", path);
	return fd;
}

struct tracer {
	struct scan s;
	const char *gpu;
	bool json;
	struct summary sum;
	char text[65536];
	size_t len;
};

static bool of_interest(const struct tracer *t, const struct event *e)
{
	int i;

	if (!t->gpu)
		return true;
	for (i = 0; i < t->s.ngpus; i++)
		if (t->s.gpus[i].gpu_id == e->gpu_id && gpu_matches(&t->s.gpus[i], t->gpu))
			return true;
	return false;
}

static void handle_line(struct tracer *t, const char *line)
{
	const char *lost = strstr(line, "[LOST ");
	struct event e;

	if (lost && !strncmp(line, "CPU:", 4)) {
		t->sum.lost += strtoul(lost + strlen("[LOST "), NULL, 10);
		return;
	}
	if (!parse(line, &e) || !of_interest(t, &e))
		return;
	count(&t->sum, &e);
	if (t->json)
		json_event(&e);
	else
		print_event(&e);
}

/* All that there is by now */
static void handle_pipe(struct tracer *t, int fd)
{
	char *line, *end;
	ssize_t n;

	while ((n = read(fd, t->text + t->len, sizeof(t->text) - 1 - t->len)) > 0) {
		t->len += n;
		t->text[t->len] = 0;
		line = t->text;
		while ((end = strchr(line, '\n'))) {
			*end = 0;
			handle_line(t, line);
			line = end + 1;
		}
		t->len -= line - t->text;
		memmove(t->text, line, t->len);
		if (t->len == sizeof(t->text) - 1)
			t->len = 0;
	}
	fflush(stdout);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

/* What happens from now on is seen */
static void say_started(bool json)
{
	struct json j;

	if (json) {
		json_init(&j, stdout);
		json_object(&j, NULL);
		json_string(&j, "event", "started");
		json_end(&j);
	} else {
		puts("tracing; Ctrl-C ends it");
	}
	fflush(stdout);
}

int cmd_trace(int argc, char **argv)
{
	static const struct option options[] = {
		{ "duration", required_argument, NULL, 'd' },
		{ "gpu", required_argument, NULL, 'g' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL },
	};
	static struct tracer t;
	double begin, seconds = INFINITY;
	struct pollfd end = { .events = POLLIN };
	bool matched = false;
	sigset_t set;
	char *rest;
	int c, i, fd;

	while ((c = getopt_long(argc, argv, "d:", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			seconds = strtod(optarg, &rest);
			if (*rest || rest == optarg || !(seconds > 0))
				usage("--duration is a number of seconds, not '%s'", optarg);
			break;
		case 'g':
			t.gpu = optarg;
			break;
		case 'j':
			t.json = true;
			break;
		default:
			usage(NULL);
		}
	}
	if (optind < argc)
		usage("what is '%s'?", argv[optind]);
	if (t.gpu) {
		scan_gpus(&t.s);
		for (i = 0; i < t.s.ngpus; i++)
			matched |= gpu_matches(&t.s.gpus[i], t.gpu);
		if (!matched)
			die("there is no GPU '%s': gpreempt config shows those that there are",
			    t.gpu);
	}

	/* Before there is something to be removed */
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	end.fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (end.fd < 0)
		die("signalfd: %m");
	fd = start();
	say_started(t.json);
	begin = now();
	while (poll(&end, 1, POLL_MS) == 0 && now() - begin < seconds && !ferror(stdout))
		handle_pipe(&t, fd);
	write_file("events/kfd_gpreempt/enable", "0");
	handle_pipe(&t, fd);
	close(fd);
	seconds = now() - begin;
	if (t.json)
		json_summary(&t.sum, seconds);
	else
		print_summary(&t.sum, seconds);
	scan_free(&t.s);
	free(t.sum.wait.ns);
	free(t.sum.save.ns);
	free(t.sum.off.ns);
	return 0;
}
