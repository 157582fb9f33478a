// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "target.h"

unsigned long parse_number(const char *what, const char *text, unsigned long min,
			   unsigned long max)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || !isdigit((unsigned char)*text) || *end || n < min || n > max)
		usage("%s is a number from %lu to %lu, not '%s'", what, min, max, text);
	return n;
}

bool target_option(struct target *t, int option, const char *arg)
{
	switch (option) {
	case 'p':
		t->pid = parse_number("--pid", arg, 1, INT_MAX);
		return true;
	case 'q':
		t->queue = parse_number("--queue", arg, 0, UINT_MAX - 1);
		t->one_queue = true;
		return true;
	case 'c':
		t->cgroup = arg;
		return true;
	case 'g':
		t->gpu = arg;
		return true;
	}
	return false;
}

/* Numbers of queues are those of a process */
void target_check(const struct target *t)
{
	if (t->one_queue && !t->pid)
		usage("--queue needs --pid: queues are numbered in each process");
}

bool target_is_any(const struct target *t)
{
	return !t->pid && !t->cgroup && !t->gpu;
}

bool gpu_matches(const struct gpreempt_gpu *gpu, const char *text)
{
	char id[16];

	if (!text)
		return true;
	snprintf(id, sizeof(id), "%u", gpu->gpu_id);
	return !strcmp(text, id) || !strcasecmp(text, gpu->pci);
}

struct gpreempt *open_or_die(void)
{
	struct gpreempt *gp;
	int r = gpreempt_open(&gp);

	if (r)
		die("%s", gpreempt_explain(GPREEMPT_OP_OPEN, r));
	return gp;
}

/* Once: devices come and go with the driver only */
void scan_gpus(struct scan *s)
{
	int n = gpreempt_gpus(NULL, 0);

	if (n < 0)
		die("%s", gpreempt_explain(GPREEMPT_OP_GPUS, n));
	s->gpus = calloc(n + 1, sizeof(*s->gpus));
	if (!s->gpus)
		die("no memory");
	s->ngpus = gpreempt_gpus(s->gpus, n);
	if (s->ngpus > n)
		s->ngpus = n;
	if (s->ngpus <= 0)
		die("there is no GPU that amdgpu drives, or the device cgroup hides it");
}

void scan_free(struct scan *s)
{
	free(s->gpus);
	free(s->queues);
}

/* PIDs in a cgroup and in those below */
struct pids {
	pid_t *pid;
	size_t n;
	size_t room;
};

static int add_procs(int dir, struct pids *pids)
{
	int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	int pid;
	FILE *f;

	if (fd < 0)
		return -errno;
	f = fdopen(fd, "r");
	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	/* One that is threaded cannot be read; the processes are in the one above */
	while (fscanf(f, "%d", &pid) == 1) {
		if (pids->n == pids->room) {
			pids->room = pids->room * 2 + 64;
			pids->pid = reallocarray(pids->pid, pids->room, sizeof(*pids->pid));
			if (!pids->pid)
				die("no memory");
		}
		pids->pid[pids->n++] = pid;
	}
	fclose(f);
	return 0;
}

/* Closes @fd */
static int add_cgroup(int fd, struct pids *pids)
{
	struct dirent *d;
	DIR *dir;
	int r;

	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	r = add_procs(fd, pids);
	while (!r && (d = readdir(dir))) {
		int child;

		if (d->d_type != DT_DIR || d->d_name[0] == '.')
			continue;
		child = openat(fd, d->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		/* It may be gone by now */
		if (child >= 0)
			add_cgroup(child, pids);
	}
	closedir(dir);
	return r;
}

static int by_pid(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

static int pids_of_cgroup(const char *path, struct pids *pids)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = add_cgroup(fd, pids);
	if (pids->n)
		qsort(pids->pid, pids->n, sizeof(*pids->pid), by_pid);
	return r;
}

struct collect {
	const struct target *t;
	struct scan *s;
	struct pids pids;
};

static int collect_queue(const struct gpreempt_queue *q, void *arg)
{
	struct collect *c = arg;
	struct scan *s = c->s;

	if (c->t->pid && q->pid != c->t->pid)
		return 0;
	if (c->t->one_queue && q->id != c->t->queue)
		return 0;
	if (c->t->cgroup && (!c->pids.n || !bsearch(&q->pid, c->pids.pid, c->pids.n,
						    sizeof(*c->pids.pid), by_pid)))
		return 0;
	if (s->nqueues == s->room) {
		s->room = s->room * 2 + 64;
		s->queues = reallocarray(s->queues, s->room, sizeof(*s->queues));
		if (!s->queues)
			die("no memory");
	}
	s->queues[s->nqueues++] = *q;
	return 0;
}

/* -ENOENT: the cgroup is gone, or is none; others are those of the query */
int scan_queues(struct gpreempt *gp, const struct target *t, unsigned int flags, struct scan *s)
{
	struct collect c = { .t = t, .s = s };
	bool matched = false;
	int r = 0, i;

	s->nqueues = 0;
	if (t->cgroup)
		r = pids_of_cgroup(t->cgroup, &c.pids);
	for (i = 0; !r && i < s->ngpus; i++) {
		if (!gpu_matches(&s->gpus[i], t->gpu))
			continue;
		matched = true;
		r = gpreempt_for_each_queue(gp, s->gpus[i].gpu_id, flags, collect_queue, &c);
	}
	free(c.pids.pid);
	if (!r && !matched)
		die("there is no GPU '%s': gpreempt config shows those that there are", t->gpu);
	return r;
}

const char *scan_error(const struct target *t, int error)
{
	if (t->cgroup && (error == -ENOENT || error == -ENOTDIR))
		return "the directory is no cgroup: give one below /sys/fs/cgroup";
	if (t->cgroup && error == -EACCES)
		return "may not read the cgroup";
	return gpreempt_explain(GPREEMPT_OP_QUERY, error);
}

static int read_line(pid_t pid, const char *file, char *text, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, text, size - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	return n > 0 ? 0 : -ESRCH;
}

void owner_of(pid_t pid, struct owner *o)
{
	struct passwd *pw;
	char text[4096];
	char *uid;

	*o = (struct owner){ .user = "-", .comm = "-" };
	if (read_line(pid, "status", text, sizeof(text)))
		return;
	uid = strstr(text, "\nUid:");
	if (!uid || read_line(pid, "comm", o->comm, sizeof(o->comm)))
		return;
	o->comm[strcspn(o->comm, "\n")] = 0;
	o->uid = strtoul(uid + strlen("\nUid:"), NULL, 10);
	pw = getpwuid(o->uid);
	if (pw)
		snprintf(o->user, sizeof(o->user), "%s", pw->pw_name);
	else
		snprintf(o->user, sizeof(o->user), "%u", o->uid);
	errno = 0;
	o->nice = getpriority(PRIO_PROCESS, pid);
	o->known = !errno;
}

void json_queue(struct json *j, const struct gpreempt_queue *q)
{
	struct owner o;

	owner_of(q->pid, &o);
	json_object(j, NULL);
	json_uint(j, "gpu_id", q->gpu_id);
	json_int(j, "pid", q->pid);
	if (o.known) {
		json_uint(j, "uid", o.uid);
		json_string(j, "user", o.user);
		json_string(j, "comm", o.comm);
		json_int(j, "nice", o.nice);
	} else {
		json_null(j, "uid");
		json_null(j, "user");
		json_null(j, "comm");
		json_null(j, "nice");
	}
	json_uint(j, "queue", q->id);
	json_uint(j, "priority", q->priority);
	json_string(j, "state", gpreempt_state_name(q->state));
	json_string(j, "holder", q->holder ? gpreempt_holder_name(q->holder) : NULL);
	json_bool(j, "runs", q->flags & GPREEMPT_RUNS);
	json_bool(j, "preemptible", q->flags & GPREEMPT_PREEMPTIBLE);
	if (q->flags & GPREEMPT_PENDING_KNOWN)
		json_uint(j, "pending", q->pending);
	else
		json_null(j, "pending");
	if (q->flags & GPREEMPT_WAVES_KNOWN)
		json_uint(j, "waves", q->waves);
	else
		json_null(j, "waves");
	json_uint(j, "preemptions", q->preemptions);
	if (q->preemptions)
		json_uint(j, "since_ns", q->since_ns);
	else
		json_null(j, "since_ns");
	json_end(j);
}

void json_gpu(struct json *j, const struct gpreempt_gpu *gpu)
{
	json_uint(j, "gpu_id", gpu->gpu_id);
	json_uint(j, "node", gpu->node);
	json_string(j, "pci", gpu->pci);
	json_uint(j, "partition", gpu->partition);
}

const char *duration(uint64_t ns, char text[16])
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = {
		{ "h", 3600e9 }, { "min", 60e9 }, { "s", 1e9 }, { "ms", 1e6 }, { "us", 1e3 },
	};
	size_t i;

	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		double n = ns / units[i].ns;

		if (n >= 1 || i == sizeof(units) / sizeof(units[0]) - 1) {
			snprintf(text, 16, n < 10 ? "%.1f %s" : "%.0f %s", n, units[i].unit);
			break;
		}
	}
	return text;
}

void print_queue_header(FILE *out)
{
	fprintf(out, "%6s %7s %-8s %-15s %5s %4s %4s %-10s %-7s %7s %6s %6s %8s\n", "GPU", "PID",
		"USER", "COMM", "QUEUE", "PRIO", "NICE", "STATE", "HOLDER", "PENDING", "WAVES",
		"TIMES", "SINCE");
}

/* A program may have given itself any name; the terminal is to survive it */
static void harmless(char *text)
{
	for (; *text; text++)
		if (iscntrl((unsigned char)*text) || (unsigned char)*text >= 0x80)
			*text = '?';
}

void print_queue(FILE *out, const struct gpreempt_queue *q)
{
	char pending[24] = "-", waves[16] = "-", since[16] = "-", nice[8] = "-";
	struct owner o;

	owner_of(q->pid, &o);
	harmless(o.comm);
	if (o.known)
		snprintf(nice, sizeof(nice), "%d", o.nice);
	if (q->flags & GPREEMPT_PENDING_KNOWN)
		snprintf(pending, sizeof(pending), "%" PRIu64, q->pending);
	if (q->flags & GPREEMPT_WAVES_KNOWN)
		snprintf(waves, sizeof(waves), "%u", q->waves);
	if (q->preemptions)
		duration(q->since_ns, since);
	fprintf(out, "%6u %7d %-8.8s %-15.15s %5u %4u %4s %-10s %-7s %7s %6s %6" PRIu64 " %8s\n",
		q->gpu_id, q->pid, o.user, o.comm, q->id, q->priority, nice,
		gpreempt_state_name(q->state), gpreempt_holder_name(q->holder), pending, waves,
		q->preemptions, since);
}
