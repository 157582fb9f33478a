// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of what can be seen of preemption: the tracepoints tell each inversion
 * as a story, in order, with the right queues, times and reasons; debugfs shows
 * where each queue is, and its counters are those of the ioctl.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "kfd_gpreempt_test.h"

#define SAVE		KFD_IOC_PREEMPT_WAVEFRONT_SAVE
#define DRAIN		KFD_IOC_PREEMPT_WAVEFRONT_DRAIN
#define ENABLE		KFD_IOC_GPREEMPT_PARAM_ENABLE
#define INTERVAL_US	KFD_IOC_GPREEMPT_PARAM_INTERVAL_US
#define HOLDOFF_US	KFD_IOC_GPREEMPT_PARAM_HOLDOFF_US
#define STARVATION_MS	KFD_IOC_GPREEMPT_PARAM_STARVATION_MS
#define SLICE_US	KFD_IOC_GPREEMPT_PARAM_SLICE_US

#define ACTIVE		KFD_IOC_GPREEMPT_QUEUE_ACTIVE
#define PREEMPTED	KFD_IOC_GPREEMPT_QUEUE_PREEMPTED

#define NEVER_MS	3600000
#define MAX_EVENTS	256

#define TRACEFS		"/sys/kernel/tracing"
#define SYSTEM		"events/kfd_gpreempt"
/* A buffer of its own, so that others' traces are left alone */
#define INSTANCE	TRACEFS "/instances/kfd_gpreempt_test"
#define DEBUGFS		"/sys/kernel/debug/kfd"

struct event {
	char name[32];
	char text[320];
};

static struct event events[MAX_EVENTS];
static int n_events;
static bool traced;

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_TRUNC);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		r = -errno;
	close(fd);
	return r;
}

/* All of a file as a string to be freed, or NULL */
static char *read_all(const char *path)
{
	size_t size = 1 << 20, len = 0;
	char *text = malloc(size);
	ssize_t n = 0;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && text) {
		while (len < size - 1 && (n = read(fd, text + len, size - 1 - len)) > 0)
			len += n;
		text[len] = 0;
	}
	if (fd >= 0)
		close(fd);
	if (fd < 0 || n < 0) {
		free(text);
		return NULL;
	}
	return text;
}

static bool find_tracefs(void)
{
	if (access(TRACEFS "/" SYSTEM, F_OK))
		mount("tracefs", TRACEFS, "tracefs", 0, NULL);
	return !access(TRACEFS "/" SYSTEM, F_OK);
}

static bool find_debugfs(void)
{
	if (access(DEBUGFS, F_OK))
		mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	return !access(DEBUGFS "/gpreempt", F_OK);
}

static int start_trace(void)
{
	if (mkdir(INSTANCE, 0700) && errno != EEXIST)
		return -errno;
	write_text(INSTANCE "/trace", "");
	return write_text(INSTANCE "/" SYSTEM "/enable", "1");
}

/* Read what has been recorded so far into events[], in order */
static int read_trace(void)
{
	char *text = read_all(INSTANCE "/trace"), *save, *line, *name;
	struct event *e;
	int n;

	n_events = 0;
	if (!text)
		return -EIO;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		name = strstr(line, ": gpreempt_");
		if (line[0] == '#' || !name || n_events == MAX_EVENTS)
			continue;
		e = &events[n_events++];
		if (sscanf(name, ": %31[a-z_]: %n", e->name, &n) != 1)
			return -EINVAL;
		snprintf(e->text, sizeof(e->text), "%s", name + n);
	}
	free(text);
	return 0;
}

static bool has(const struct event *e, const char *what)
{
	const char *p = strstr(e->text, what);
	size_t len = strlen(what);

	return p && (p == e->text || p[-1] == ' ') && (!p[len] || p[len] == ' ');
}

static long long field(const struct event *e, const char *name)
{
	char what[40];
	const char *p;

	snprintf(what, sizeof(what), "%s=", name);
	p = strstr(e->text, what);
	return p ? strtoll(p + strlen(what), NULL, 10) : -1;
}

/* The next event of a queue with that name, from event i on; its index, or -1 */
static int find(int i, const char *name, const struct kfd_queue *q)
{
	for (; i < n_events; i++)
		if (!strcmp(events[i].name, name) &&
		    (!q || field(&events[i], "queue") == q->id))
			return i;
	return -1;
}

static int count(const char *name, const struct kfd_queue *q)
{
	int i, n = 0;

	for (i = find(0, name, q); i >= 0; i = find(i + 1, name, q))
		n++;
	return n;
}

static void show_events(void)
{
	int i;

	for (i = 0; i < n_events; i++)
		printf("#   %s: %s\n", events[i].name, events[i].text);
}

static char *read_debugfs(struct kfd *kfd, const char *file)
{
	char path[128];

	snprintf(path, sizeof(path), DEBUGFS "/gpreempt/%u/%s", kfd->gpu.id, file);
	return read_all(path);
}

/* A number in a file of `name value` lines */
static long long stat_value(const char *text, const char *name)
{
	size_t len = strlen(name);
	const char *p;

	for (p = text; p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (!strncmp(p, name, len) && p[len] == ' ')
			return strtoll(p + len, NULL, 10);
	return -1;
}

/* Sum of a histogram, and -1 if its bounds are not powers of two that grow */
static long long sum_histogram(struct kfd *kfd, const char *file, long long *of_first)
{
	char *text = read_debugfs(kfd, file), *p = text;
	long long bound, n, last = 0, sum = 0;
	int len;

	*of_first = 0;
	if (!text)
		return -1;
	while (sscanf(p, "%lld %lld\n%n", &bound, &n, &len) == 2) {
		if (bound <= last || bound & (bound - 1) || n <= 0)
			sum = -1000000;
		if (bound == 1)
			*of_first = n;
		last = bound;
		sum += n;
		p += len;
	}
	if (*p)
		sum = -1;
	free(text);
	return sum;
}

struct line {
	int pid;
	unsigned int queue, prio, level, active;
	char state[16], holder[16], reason[16], inactive[16];
	char pending[16], waves[16], since[24], wait[8], comm[20];
	unsigned long long times;
};

/* A queue's line in the file queues */
static bool read_line(struct kfd_queue *q, struct line *l)
{
	char *text = read_debugfs(q->kfd, "queues"), *p;
	bool found = false;

	for (p = text; p && !found; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		found = sscanf(p, "%d %u %u %u %u %15s %15s %15s %15s %15s %15s %llu %23s %7s %19s",
			       &l->pid, &l->queue, &l->prio, &l->level, &l->active, l->state,
			       l->holder, l->reason, l->inactive, l->pending, l->waves,
			       &l->times, l->since, l->wait, l->comm) == 15 &&
			l->pid == getpid() && l->queue == q->id;
	free(text);
	return found;
}

FIXTURE_SETUP(kfd)
{
	const char *why;

	why = setup_monitor(_metadata, self);
	if (why)
		SKIP(return, "%s", why);
	traced = find_tracefs();
	if (traced)
		ASSERT_EQ(0, start_trace());
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, ENABLE, 0));
	set_params(_metadata, self);
}

/* One inversion from its beginning to its end */
KFD_TEST(inversion)
{
	struct kfd_queue *low = &self->q[0], *high = &self->q[1];
	__u64 start, off, us;
	int i, p, r;

	if (!traced)
		SKIP(return, "no tracepoints");
	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	occupy(_metadata, self, 0, self->kfd.gpu.wave_slots);
	ASSERT_EQ(0, wait_launched(low, 1));
	start = kfd_now_us();
	occupy(_metadata, self, 1, 64);
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, ENABLE, 1));
	ASSERT_TRUE(wait_state(low, PREEMPTED));
	off = kfd_now_us();
	usleep(50000);
	off = kfd_now_us() - off;
	finish(_metadata, self, 1);
	ASSERT_TRUE(wait_state(low, ACTIVE));
	us = kfd_now_us() - start;
	finish(_metadata, self, 0);

	ASSERT_EQ(0, read_trace());
	show_events();
	EXPECT_EQ(1, count("gpreempt_inversion", high));
	EXPECT_EQ(0, count("gpreempt_inversion", low));
	EXPECT_EQ(1, count("gpreempt_preempt", low));
	EXPECT_EQ(1, count("gpreempt_resume", low));
	EXPECT_EQ(0, count("gpreempt_preempt", high));
	EXPECT_EQ(0, count("gpreempt_resume", high));
	i = find(0, "gpreempt_inversion", high);
	p = find(0, "gpreempt_preempt", low);
	r = find(0, "gpreempt_resume", low);
	ASSERT_LE(0, i);
	ASSERT_LT(i, p);
	ASSERT_LT(p, r);

	EXPECT_EQ(self->kfd.gpu.id, field(&events[i], "gpu_id"));
	EXPECT_EQ(getpid(), field(&events[i], "pid"));
	EXPECT_EQ(12, field(&events[i], "priority"));
	EXPECT_EQ(1, field(&events[i], "victims"));
	EXPECT_LE(0, field(&events[i], "wait_ns"));
	EXPECT_GT(us * 1000, field(&events[i], "wait_ns"));

	EXPECT_EQ(self->kfd.gpu.id, field(&events[p], "gpu_id"));
	EXPECT_EQ(getpid(), field(&events[p], "pid"));
	EXPECT_EQ(3, field(&events[p], "priority"));
	EXPECT_TRUE(has(&events[p], "who=monitor"));
	EXPECT_TRUE(has(&events[p], "reason=higher"));
	EXPECT_TRUE(has(&events[p], "err=0"));
	EXPECT_LT(0, field(&events[p], "save_ns"));
	EXPECT_GT(us * 1000, field(&events[p], "save_ns"));

	EXPECT_EQ(self->kfd.gpu.id, field(&events[r], "gpu_id"));
	EXPECT_EQ(getpid(), field(&events[r], "pid"));
	EXPECT_EQ(3, field(&events[r], "priority"));
	EXPECT_TRUE(has(&events[r], "who=monitor"));
	EXPECT_TRUE(has(&events[r], "reason=holdoff"));
	EXPECT_TRUE(has(&events[r], "err=0"));
	EXPECT_LE(off * 1000, field(&events[r], "off_ns"));
	EXPECT_GT(us * 1000, field(&events[r], "off_ns"));
	EXPECT_LT(0, field(&events[r], "restore_ns"));
	EXPECT_GT(us * 1000, field(&events[r], "restore_ns"));
}

/* The second look at a higher queue that waits has one before it to count from */
KFD_TEST(inversion_wait)
{
	int i;

	if (!traced)
		SKIP(return, "no tracepoints");
	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	occupy(_metadata, self, 0, self->kfd.gpu.wave_slots);
	ASSERT_EQ(0, wait_launched(&self->q[0], 1));
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, INTERVAL_US, 20000));
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, ENABLE, 1));
	usleep(200000);
	occupy(_metadata, self, 1, 64);
	ASSERT_TRUE(wait_state(&self->q[0], PREEMPTED));
	ASSERT_EQ(0, read_trace());
	show_events();
	i = find(0, "gpreempt_inversion", &self->q[1]);
	ASSERT_LE(0, i);
	EXPECT_LE(20000000, field(&events[i], "wait_ns"));
	EXPECT_GT(200000000, field(&events[i], "wait_ns"));
	finish(_metadata, self, 1);
	finish(_metadata, self, 0);
}

/* Many victims are one inversion, and each says for itself how it went */
KFD_TEST(victims)
{
	int i;

	if (!traced)
		SKIP(return, "no tracepoints");
	/* All before the first packet: a new runlist takes waves off for a while */
	for (i = 0; i < 5; i++)
		create(_metadata, self, i, i < 4 ? i : 9);
	for (i = 0; i < 5; i++) {
		occupy(_metadata, self, i, self->kfd.gpu.wave_slots / 4);
		ASSERT_EQ(0, i < 4 ? wait_launched(&self->q[i], 1) : 0);
	}
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, ENABLE, 1));
	for (i = 0; i < 4; i++)
		ASSERT_TRUE(wait_state(&self->q[i], PREEMPTED));
	ASSERT_EQ(0, read_trace());
	show_events();
	EXPECT_EQ(1, count("gpreempt_inversion", NULL));
	i = find(0, "gpreempt_inversion", &self->q[4]);
	ASSERT_LE(0, i);
	EXPECT_EQ(4, field(&events[i], "victims"));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(1, count("gpreempt_preempt", &self->q[i]));
	for (i = 4; i >= 0; i--)
		finish(_metadata, self, i);
}

/* What has starved gets its slice, for which the higher one goes, and comes back */
KFD_TEST(slice)
{
	struct kfd_queue *low = &self->q[0], *high = &self->q[1];
	struct kfd_job *job = &self->job[0];
	int p, s, v, b;

	if (!traced)
		SKIP(return, "no tracepoints");
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, STARVATION_MS, 50));
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, SLICE_US, 20000));
	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	ASSERT_EQ(0, kfd_job_init(&self->kfd, job, GFX942_COUNT, 200, LOOPS_MS(60)));
	kfd_job_submit(job, low);
	ASSERT_EQ(0, wait_launched(low, 1));
	occupy(_metadata, self, 1, 100);
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, ENABLE, 1));
	ASSERT_EQ(0, kfd_job_wait(job, KFD_TIMEOUT_MS));
	ASSERT_EQ(0, read_trace());
	show_events();
	finish(_metadata, self, 1);

	p = find(0, "gpreempt_preempt", low);
	s = find(0, "gpreempt_resume", low);
	v = find(0, "gpreempt_preempt", high);
	b = find(0, "gpreempt_resume", high);
	ASSERT_LE(0, p);
	ASSERT_LT(p, s);
	ASSERT_LT(p, v);
	ASSERT_LT(s, b);
	ASSERT_LT(v, b);
	EXPECT_TRUE(has(&events[p], "reason=higher"));
	EXPECT_TRUE(has(&events[s], "reason=starved"));
	EXPECT_LE(40000000, field(&events[s], "off_ns"));
	EXPECT_TRUE(has(&events[v], "reason=slice"));
	EXPECT_TRUE(has(&events[b], "reason=holdoff"));
	EXPECT_LE(10000000, field(&events[b], "off_ns"));
	/* That was none */
	EXPECT_EQ(0, count("gpreempt_inversion", low));
	EXPECT_LE(1, count("gpreempt_inversion", high));
}

/* Preempts the queue of its parent, and ends without a word */
static void holder(struct shared *s)
{
	struct kfd kfd;

	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(wait_step(s, 1));
	CHILD_CHECK(!kfd_preempt(&kfd, getppid(), s->value[0], SAVE, 0));
}

KFD_TEST(reasons)
{
	static const char * const resumes[] = { "resume", "close", "off" };
	struct shared *s = shared_page();
	struct kfd_queue *q = &self->q[0];
	pid_t pid;
	int i, e;

	if (!traced)
		SKIP(return, "no tracepoints");
	ASSERT_NE(NULL, s);
	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	s->value[0] = q->id;
	pid = start_child(&self->kfd, holder, s);
	ASSERT_LT(0, pid);
	occupy(_metadata, self, 0, 100);
	ASSERT_EQ(0, wait_launched(q, 1));

	ASSERT_EQ(0, kfd_queue_preempt(q, SAVE, 0));
	/* A second time nothing happens, and nothing is told */
	ASSERT_EQ(0, kfd_queue_preempt(q, SAVE, 0));
	ASSERT_EQ(0, kfd_queue_resume(q));
	set_step(s, 1);
	EXPECT_TRUE(end_child(pid));
	ASSERT_TRUE(wait_state(q, ACTIVE));
	occupy(_metadata, self, 1, 64);
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, ENABLE, 1));
	ASSERT_TRUE(wait_state(q, PREEMPTED));
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, ENABLE, 0));
	ASSERT_TRUE(wait_state(q, ACTIVE));
	finish(_metadata, self, 1);
	finish(_metadata, self, 0);

	ASSERT_EQ(0, read_trace());
	show_events();
	EXPECT_EQ(3, count("gpreempt_preempt", q));
	EXPECT_EQ(3, count("gpreempt_resume", q));
	for (i = 0, e = 0; i < 3; i++, e++) {
		const char *who = i < 2 ? "who=ioctl" : "who=monitor";
		char reason[32];

		e = find(e, "gpreempt_preempt", q);
		ASSERT_LE(0, e);
		EXPECT_TRUE(has(&events[e], who));
		EXPECT_TRUE(has(&events[e], i < 2 ? "reason=save" : "reason=higher"));
		EXPECT_EQ(getpid(), field(&events[e], "pid"));
		e = find(e, "gpreempt_resume", q);
		ASSERT_LE(0, e);
		snprintf(reason, sizeof(reason), "reason=%s", resumes[i]);
		EXPECT_TRUE(has(&events[e], who));
		EXPECT_TRUE(has(&events[e], reason));
	}
}

KFD_TEST(drain)
{
	int e;

	if (!traced)
		SKIP(return, "no tracepoints");
	if (!kfd_no_hws())
		SKIP(return, "HWS cannot drain");
	create(_metadata, self, 0, 7);
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], DRAIN, 0));
	ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	ASSERT_EQ(0, read_trace());
	e = find(0, "gpreempt_preempt", &self->q[0]);
	ASSERT_LE(0, e);
	EXPECT_TRUE(has(&events[e], "reason=drain"));
}

/* A pid is what the initial namespace says, whatever the process thinks */
static void in_namespace(struct shared *s)
{
	struct kfd_queue_opts opts = { .has_priority = true, .priority = 4 };
	struct kfd_queue q;
	struct kfd kfd;

	CHILD_CHECK(getpid() == 1);
	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(!kfd_queue_create(&kfd, &q, &opts));
	s->value[0] = q.id;
	CHILD_CHECK(!kfd_queue_preempt(&q, SAVE, 0));
	CHILD_CHECK(!kfd_queue_resume(&q));
}

KFD_TEST(pid_namespace)
{
	struct shared *s = shared_page();
	pid_t pid;
	int i;

	if (!traced)
		SKIP(return, "no tracepoints");
	ASSERT_NE(NULL, s);
	if (unshare(CLONE_NEWPID))
		SKIP(return, "no PID namespaces");
	pid = start_child(&self->kfd, in_namespace, s);
	ASSERT_LT(0, pid);
	EXPECT_TRUE(end_child(pid));
	ASSERT_EQ(0, read_trace());
	show_events();
	i = find(0, "gpreempt_preempt", NULL);
	ASSERT_LE(0, i);
	EXPECT_EQ(pid, field(&events[i], "pid"));
	EXPECT_EQ(s->value[0], field(&events[i], "queue"));
}

/* What failed is told as well, and how long it took; the monitor's end too */
KFD_TEST(errors)
{
	long timeout = kfd_module_param("queue_preemption_timeout_ms", 9000);
	struct kfd_ioctl_gpreempt_args before, after;
	int i;

	if (!traced)
		SKIP(return, "no tracepoints");
	if (!kfd_mock_present() || !kfd_no_hws())
		SKIP(return, "needs the mock GPU without HWS");
	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	occupy(_metadata, self, 0, self->kfd.gpu.wave_slots);
	ASSERT_EQ(0, wait_launched(&self->q[0], 1));
	ASSERT_EQ(0, kfd_gpreempt_query(&self->kfd, &self->q[0], &before));
	ASSERT_EQ(0, kfd_set_module_param("queue_preemption_timeout_ms", 200));
	ASSERT_EQ(0, kfd_set_module_param("mock_ignore_preempt", 0xffffffff));
	EXPECT_EQ(-ETIME, kfd_queue_preempt(&self->q[0], SAVE, 0));
	occupy(_metadata, self, 1, 64);
	EXPECT_EQ(0, kfd_gpreempt_set(&self->kfd, ENABLE, 1));
	for (i = 0; i < 200 && find(0, "gpreempt_giveup", NULL) < 0; i++) {
		usleep(50000);
		EXPECT_EQ(0, read_trace());
	}
	EXPECT_EQ(0, kfd_set_module_param("mock_ignore_preempt", 0));
	EXPECT_EQ(0, kfd_set_module_param("queue_preemption_timeout_ms", timeout));
	EXPECT_EQ(0, kfd_gpreempt_query(&self->kfd, &self->q[0], &after));
	EXPECT_EQ(before.preemptions, after.preemptions);
	show_events();

	EXPECT_EQ(2, count("gpreempt_preempt", &self->q[0]));
	EXPECT_EQ(0, count("gpreempt_resume", &self->q[0]));
	i = find(0, "gpreempt_preempt", &self->q[0]);
	ASSERT_LE(0, i);
	EXPECT_TRUE(has(&events[i], "reason=save"));
	EXPECT_EQ(-ETIME, field(&events[i], "err"));
	EXPECT_LE(50000000, field(&events[i], "save_ns"));
	i = find(i + 1, "gpreempt_preempt", &self->q[0]);
	ASSERT_LE(0, i);
	EXPECT_TRUE(has(&events[i], "reason=higher"));
	EXPECT_EQ(-ETIME, field(&events[i], "err"));
	i = find(i + 1, "gpreempt_giveup", NULL);
	ASSERT_LE(0, i);
	EXPECT_EQ(self->kfd.gpu.id, field(&events[i], "gpu_id"));
	finish(_metadata, self, 0);
	finish(_metadata, self, 1);
}

/* perf and trace-cmd get the words from here, and know no names of the kernel's */
KFD_TEST(format)
{
	static const char * const names[] = { "gpreempt_preempt", "gpreempt_resume" };
	char path[128], *text;
	int i;

	if (!traced)
		SKIP(return, "no tracepoints");
	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), INSTANCE "/" SYSTEM "/%s/format", names[i]);
		text = read_all(path);
		ASSERT_NE(NULL, text);
		EXPECT_NE(NULL, strstr(text, "\"starved\""));
		EXPECT_EQ(NULL, strstr(text, "KFD_GPREEMPT"));
		free(text);
	}
}

KFD_TEST(queues)
{
	struct kfd_queue *q = &self->q[0];
	struct line l = { 0 };
	char *text;

	if (!find_debugfs())
		SKIP(return, "no debugfs");
	create(_metadata, self, 0, 3);
	ASSERT_TRUE(read_line(q, &l));
	EXPECT_EQ(3, l.prio);
	EXPECT_EQ(3, l.level);
	EXPECT_EQ(1, l.active);
	EXPECT_STREQ("ACTIVE", l.state);
	EXPECT_STREQ("-", l.holder);
	EXPECT_STREQ("-", l.reason);
	EXPECT_STREQ("-", l.since);
	EXPECT_STREQ("-", l.wait);
	EXPECT_EQ(0, l.times);
	EXPECT_EQ(0, strncmp("kfd_gpreempt_tr", l.comm, 15));

	ASSERT_EQ(0, kfd_queue_preempt(q, SAVE, 0));
	ASSERT_TRUE(read_line(q, &l));
	EXPECT_EQ(0, l.active);
	EXPECT_STREQ("PREEMPTED", l.state);
	EXPECT_STREQ("ioctl", l.holder);
	EXPECT_STREQ("save", l.reason);
	EXPECT_STREQ("-", l.inactive);
	EXPECT_STRNE("-", l.since);
	EXPECT_STREQ("-", l.wait);
	EXPECT_EQ(1, l.times);
	text = read_all(DEBUGFS "/mqds");
	ASSERT_NE(NULL, text);
	EXPECT_NE(NULL, strstr(text, ", preempted\n"));
	free(text);

	/* For longer than half the starvation limit */
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, STARVATION_MS, 100));
	usleep(60000);
	ASSERT_TRUE(read_line(q, &l));
	EXPECT_STREQ("LONG", l.wait);
	EXPECT_LE(60, atoi(l.since));

	/* And for another reason as well */
	q->percent = 0;
	ASSERT_EQ(0, kfd_queue_update(q));
	ASSERT_TRUE(read_line(q, &l));
	EXPECT_STREQ("PREEMPTED", l.state);
	EXPECT_STREQ("disabled", l.inactive);
	ASSERT_EQ(0, kfd_queue_resume(q));
	ASSERT_TRUE(read_line(q, &l));
	EXPECT_EQ(0, l.active);
	EXPECT_STREQ("ACTIVE", l.state);
	EXPECT_STREQ("disabled", l.inactive);
	EXPECT_STREQ("-", l.wait);

	q->percent = 100;
	q->priority = 9;
	ASSERT_EQ(0, kfd_queue_update(q));
	ASSERT_TRUE(read_line(q, &l));
	EXPECT_EQ(1, l.active);
	EXPECT_EQ(9, l.prio);
	EXPECT_EQ(9, l.level);
	EXPECT_STREQ("-", l.inactive);
	EXPECT_STREQ("-", l.holder);
	ASSERT_EQ(0, kfd_queue_destroy(q));
	EXPECT_FALSE(read_line(q, &l));
}

KFD_TEST(held_by_monitor)
{
	struct line l = { 0 };

	if (!find_debugfs())
		SKIP(return, "no debugfs");
	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	occupy(_metadata, self, 0, self->kfd.gpu.wave_slots);
	ASSERT_EQ(0, wait_launched(&self->q[0], 1));
	occupy(_metadata, self, 1, 64);
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, ENABLE, 1));
	ASSERT_TRUE(wait_state(&self->q[0], PREEMPTED));
	ASSERT_TRUE(read_line(&self->q[0], &l));
	EXPECT_STREQ("PREEMPTED", l.state);
	EXPECT_STREQ("monitor", l.holder);
	EXPECT_STREQ("higher", l.reason);
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	ASSERT_TRUE(read_line(&self->q[0], &l));
	EXPECT_STREQ("ioctl+monitor", l.holder);
	EXPECT_STREQ("higher", l.reason);
	ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	finish(_metadata, self, 1);
	ASSERT_TRUE(wait_state(&self->q[0], ACTIVE));
	finish(_metadata, self, 0);
}

/* Counters and histograms know as many preemptions as the ioctl says */
KFD_TEST(stats)
{
	struct kfd_ioctl_gpreempt_args args;
	long long first[2], zero;
	char *text;
	int i;

	if (!find_debugfs())
		SKIP(return, "no debugfs");
	sum_histogram(&self->kfd, "save_ns", &first[0]);
	sum_histogram(&self->kfd, "wait_ns", &zero);
	EXPECT_EQ(0, zero);
	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	for (i = 0; i < 4; i++) {
		/* In memory only, the last two times */
		self->q[0].percent = i < 2 ? 100 : 0;
		ASSERT_EQ(0, kfd_queue_update(&self->q[0]));
		ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
		usleep(1000 << i);
		ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	}
	self->q[0].percent = 100;
	ASSERT_EQ(0, kfd_queue_update(&self->q[0]));
	occupy(_metadata, self, 0, self->kfd.gpu.wave_slots);
	ASSERT_EQ(0, wait_launched(&self->q[0], 1));
	occupy(_metadata, self, 1, 64);
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, ENABLE, 1));
	ASSERT_TRUE(wait_state(&self->q[0], PREEMPTED));
	text = read_debugfs(&self->kfd, "stats");
	ASSERT_NE(NULL, text);
	EXPECT_EQ(1, stat_value(text, "enabled"));
	free(text);
	finish(_metadata, self, 1);
	ASSERT_TRUE(wait_state(&self->q[0], ACTIVE));
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, ENABLE, 0));
	finish(_metadata, self, 0);

	ASSERT_EQ(0, kfd_gpreempt_query(&self->kfd, NULL, &args));
	text = read_debugfs(&self->kfd, "stats");
	ASSERT_NE(NULL, text);
	EXPECT_EQ(args.preemptions, stat_value(text, "preemptions"));
	EXPECT_EQ(args.resumes, stat_value(text, "resumes"));
	EXPECT_EQ(args.ticks, stat_value(text, "ticks"));
	EXPECT_EQ(args.inversions, stat_value(text, "inversions"));
	EXPECT_EQ(0, stat_value(text, "enabled"));
	EXPECT_LE(args.ticks, stat_value(text, "wakeups"));
	EXPECT_LT(0, stat_value(text, "tick_ns"));
	free(text);

	EXPECT_LE(5, args.preemptions);
	EXPECT_EQ(args.preemptions, sum_histogram(&self->kfd, "save_ns", &first[1]));
	EXPECT_EQ(first[0] + 2, first[1]);
	EXPECT_EQ(args.resumes, sum_histogram(&self->kfd, "wait_ns", &zero));
	EXPECT_EQ(0, zero);
}

int main(int argc, char **argv)
{
	int r = test_harness_run(argc, argv);

	if (!access(INSTANCE, F_OK))
		rmdir(INSTANCE);
	return r;
}
