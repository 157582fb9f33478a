// SPDX-License-Identifier: GPL-2.0
/*
 * Do the examples of Documentation/gpu/amdkfd-gpreempt do what it says? They are
 * run as they are, from the directory of this program, on queues of its own.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include "kfd_gpreempt_test.h"

#define ACTIVE		KFD_IOC_GPREEMPT_QUEUE_ACTIVE
#define PREEMPTED	KFD_IOC_GPREEMPT_QUEUE_PREEMPTED
#define SAVE		KFD_IOC_PREEMPT_WAVEFRONT_SAVE
#define HOLDOFF		KFD_IOC_GPREEMPT_PARAM_HOLDOFF_US
#define INSTANCE	"/sys/kernel/tracing/instances/gpreempt"

#define MAX_ARGS	4

FIXTURE_SETUP(kfd)
{
	const char *why = setup_monitor(_metadata, self);

	if (why)
		SKIP(return, "%s", why);
	set_params(_metadata, self);
}

/**
 * struct example - a program that runs
 * @pid: its process
 * @fd: what it prints comes here
 * @text: all that has come so far
 * @len: how much that is
 */
struct example {
	pid_t pid;
	int fd;
	char text[8192];
	size_t len;
};

/* Format its arguments, separated by blanks; uid 0: as this program */
__printf(4, 5)
static bool start(struct example *ex, uid_t uid, const char *name, const char *format, ...)
{
	char dir[256], path[320], text[128];
	char *arg[MAX_ARGS + 2] = { path };
	va_list args;
	ssize_t len;
	int fd[2];
	int i = 0;

	memset(ex, 0, sizeof(*ex));
	len = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	if (len < 0 || pipe2(fd, O_CLOEXEC))
		return false;
	dir[len] = 0;
	*strrchr(dir, '/') = 0;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (arg[1] = strtok(text, " "); arg[++i] && i <= MAX_ARGS;)
		arg[i + 1] = strtok(NULL, " ");

	ex->pid = fork();
	if (!ex->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fd[1], 1);
		dup2(fd[1], 2);
		if (uid && setresuid(uid, uid, uid))
			_exit(126);
		execv(path, arg);
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		_exit(127);
	}
	close(fd[1]);
	ex->fd = fd[0];
	return ex->pid > 0;
}

/* Return: is there more to come? */
static bool read_some(struct example *ex)
{
	ssize_t n = read(ex->fd, ex->text + ex->len, sizeof(ex->text) - 1 - ex->len);

	if (n > 0)
		ex->len += n;
	ex->text[ex->len] = 0;
	return n > 0;
}

static bool wait_text(struct example *ex, const char *text)
{
	while (!strstr(ex->text, text))
		if (!read_some(ex))
			return false;
	return true;
}

/* Return: its exit status, -1 if it was killed */
static int finish_example(struct example *ex)
{
	int status;

	while (read_some(ex))
		;
	close(ex->fd);
	if (waitpid(ex->pid, &status, 0) != ex->pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/* What example_list prints of a queue */
struct line {
	unsigned int gpu_id, pid, queue, priority;
	char state[16], holder[16], pending[16], waves[16];
	unsigned int times;
};

static bool find_line(const char *text, __u32 gpu_id, __u32 queue, struct line *l)
{
	const char *p;

	for (p = strchr(text, '\n'); p && *++p; p = strchr(p, '\n'))
		if (sscanf(p, "%u %u %u %u %15s %15s %15s %15s %u", &l->gpu_id, &l->pid, &l->queue,
			   &l->priority, l->state, l->holder, l->pending, l->waves,
			   &l->times) == 9 &&
		    l->gpu_id == gpu_id && l->pid == (__u32)getpid() && l->queue == queue)
			return true;
	return false;
}

KFD_TEST(list_queues)
{
	struct example ex;
	struct line l;

	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	launch(_metadata, self, 0);

	ASSERT_TRUE(start(&ex, 0, "example_list", " "));
	EXPECT_EQ(0, finish_example(&ex));
	ASSERT_TRUE(find_line(ex.text, self->kfd.gpu.id, self->q[0].id, &l));
	EXPECT_EQ(3, l.priority);
	EXPECT_STREQ("ACTIVE", l.state);
	EXPECT_STREQ("-", l.holder);
	EXPECT_STREQ("0", l.pending);
	EXPECT_STREQ("100", l.waves);
	EXPECT_EQ(0, l.times);
	ASSERT_TRUE(find_line(ex.text, self->kfd.gpu.id, self->q[1].id, &l));
	EXPECT_EQ(12, l.priority);
	EXPECT_STREQ("0", l.waves);

	/* What is submitted to a preempted queue is pending; saved waves are not in flight */
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	kfd_job_submit(&self->job[0], &self->q[0]);
	ASSERT_TRUE(start(&ex, 0, "example_list", " "));
	EXPECT_EQ(0, finish_example(&ex));
	ASSERT_TRUE(find_line(ex.text, self->kfd.gpu.id, self->q[0].id, &l));
	EXPECT_STREQ("PREEMPTED", l.state);
	EXPECT_STREQ("ioctl", l.holder);
	EXPECT_STREQ("1", l.pending);
	EXPECT_STREQ("0", l.waves);
	EXPECT_EQ(1, l.times);
	ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	kfd_job_release(&self->job[0]);
	ASSERT_EQ(0, kfd_job_wait(&self->job[0], KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(&self->job[0], 2));

	/* Somebody else sees nothing of it, and that is no error */
	chmod("/dev/kfd", 0666);
	ASSERT_TRUE(start(&ex, 1001, "example_list", " "));
	EXPECT_EQ(0, finish_example(&ex));
	EXPECT_FALSE(find_line(ex.text, self->kfd.gpu.id, self->q[0].id, &l));
	EXPECT_NE(NULL, strstr(ex.text, "gpu_id"));
}

KFD_TEST(preempt_other)
{
	struct example ex;

	create(_metadata, self, 0, 7);
	launch(_metadata, self, 0);

	ASSERT_TRUE(start(&ex, 0, "example_preempt", "%d %u 100", getpid(), self->q[0].id));
	EXPECT_TRUE(wait_text(&ex, "is off"));
	EXPECT_EQ(PREEMPTED, queue_state(&self->q[0]));
	EXPECT_EQ(0, finish_example(&ex));
	EXPECT_NE(NULL, strstr(ex.text, "is back"));
	EXPECT_EQ(ACTIVE, queue_state(&self->q[0]));
	finish(_metadata, self, 0);

	/* Killed in between: the close resumes */
	ASSERT_TRUE(start(&ex, 0, "example_preempt", "%d %u 1000000", getpid(), self->q[0].id));
	EXPECT_TRUE(wait_text(&ex, "is off"));
	kill(ex.pid, SIGKILL);
	EXPECT_EQ(-1, finish_example(&ex));
	EXPECT_TRUE(wait_state(&self->q[0], ACTIVE));
}

KFD_TEST(preempt_refused)
{
	__u64 preemptions = query(&self->kfd, NULL).preemptions;
	struct example ex;

	create(_metadata, self, 0, 7);
	/* init has no queues */
	ASSERT_TRUE(start(&ex, 0, "example_preempt", "1 0 1"));
	EXPECT_EQ(1, finish_example(&ex));
	EXPECT_NE(NULL, strstr(ex.text, "does not use /dev/kfd"));

	ASSERT_TRUE(start(&ex, 0, "example_preempt", "%d 77 1", getpid()));
	EXPECT_EQ(1, finish_example(&ex));
	EXPECT_NE(NULL, strstr(ex.text, "no such queue"));

	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	ASSERT_TRUE(start(&ex, 0, "example_preempt", "%d %u 1", getpid(), self->q[0].id));
	EXPECT_EQ(1, finish_example(&ex));
	EXPECT_NE(NULL, strstr(ex.text, "held by somebody else"));
	ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));

	chmod("/dev/kfd", 0666);
	ASSERT_TRUE(start(&ex, 1001, "example_preempt", "%d %u 1", getpid(), self->q[0].id));
	EXPECT_EQ(1, finish_example(&ex));
	EXPECT_NE(NULL, strstr(ex.text, "CAP_SYS_NICE"));
	/* But for that of the test itself */
	EXPECT_EQ(preemptions + 1, query(&self->kfd, NULL).preemptions);
}

KFD_TEST(hold_own)
{
	struct kfd_ioctl_gpreempt_args before = query(&self->kfd, NULL), after;
	unsigned long long behind, held;
	struct example ex;
	int n;

	ASSERT_TRUE(start(&ex, 0, "example_hold", " "));
	ASSERT_EQ(0, finish_example(&ex))
		TH_LOG("%s", ex.text);
	n = sscanf(ex.text, "urgent: %llu us behind the batch, %llu us with the batch held",
		   &behind, &held);
	ASSERT_EQ(2, n);
	TH_LOG("urgent work: %llu us behind a batch, %llu us with it held", behind, held);
	EXPECT_LT(50000, behind);
	EXPECT_LT(held, behind / 4);
	after = query(&self->kfd, NULL);
	EXPECT_EQ(before.preemptions + 1, after.preemptions);
	EXPECT_EQ(before.resumes + 1, after.resumes);
}

KFD_TEST(set_param)
{
	__u32 id = self->kfd.gpu.id;
	struct example ex;
	__u64 value;

	ASSERT_TRUE(start(&ex, 0, "example_param", "%u holdoff_us 12345", id));
	EXPECT_EQ(0, finish_example(&ex));
	EXPECT_EQ(0, kfd_gpreempt_get(&self->kfd, HOLDOFF, &value));
	EXPECT_EQ(12345, value);
	ASSERT_TRUE(start(&ex, 0, "example_param", "%u holdoff_us", id));
	EXPECT_EQ(0, finish_example(&ex));
	EXPECT_STREQ("holdoff_us 12345\n", ex.text);

	ASSERT_TRUE(start(&ex, 0, "example_param", "%u holdoff_us 10000001", id));
	EXPECT_EQ(1, finish_example(&ex));
	EXPECT_NE(NULL, strstr(ex.text, "out of bounds"));
	chmod("/dev/kfd", 0666);
	ASSERT_TRUE(start(&ex, 1001, "example_param", "%u holdoff_us 1", id));
	EXPECT_EQ(1, finish_example(&ex));
	EXPECT_NE(NULL, strstr(ex.text, "CAP_SYS_ADMIN"));
	EXPECT_EQ(0, kfd_gpreempt_get(&self->kfd, HOLDOFF, &value));
	EXPECT_EQ(12345, value);

	ASSERT_TRUE(start(&ex, 0, "example_param", "%u enable 1", id));
	EXPECT_EQ(0, finish_example(&ex));
	EXPECT_EQ(0, kfd_gpreempt_get(&self->kfd, KFD_IOC_GPREEMPT_PARAM_ENABLE, &value));
	EXPECT_EQ(1, value);
	ASSERT_TRUE(start(&ex, 0, "example_param", "%u nonsense", id));
	EXPECT_EQ(2, finish_example(&ex));
}

static bool wait_watch(void)
{
	__u64 end = kfd_now_us() + KFD_TIMEOUT_MS * 1000ull;
	char on = 0;
	int fd;

	while (on != '1') {
		if (kfd_now_us() > end)
			return false;
		usleep(1000);
		fd = open(INSTANCE "/events/kfd_gpreempt/enable", O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (read(fd, &on, 1) != 1)
			on = 0;
		close(fd);
	}
	return true;
}

KFD_TEST(watch_events)
{
	char pid[32], *preempt, *resume;
	struct example ex, second;

	if (access("/sys/kernel/tracing/events/kfd_gpreempt", F_OK))
		SKIP(return, "no events in /sys/kernel/tracing");
	create(_metadata, self, 0, 7);
	snprintf(pid, sizeof(pid), "pid=%d ", getpid());

	ASSERT_TRUE(start(&ex, 0, "example_watch", "2"));
	ASSERT_TRUE(wait_watch());
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	EXPECT_EQ(0, finish_example(&ex));
	preempt = strstr(ex.text, "gpreempt_preempt:");
	resume = strstr(ex.text, "gpreempt_resume:");
	ASSERT_TRUE(preempt && resume && preempt < resume);
	EXPECT_TRUE(strstr(preempt, pid) && strstr(preempt, pid) < resume);
	EXPECT_NE(NULL, strstr(resume, pid));
	EXPECT_NE(0, access(INSTANCE, F_OK));

	/* One that is to end leaves nothing behind, and there is one at a time */
	ASSERT_TRUE(start(&ex, 0, "example_watch", " "));
	ASSERT_TRUE(wait_watch());
	ASSERT_TRUE(start(&second, 0, "example_watch", "1"));
	EXPECT_EQ(1, finish_example(&second));
	EXPECT_NE(NULL, strstr(second.text, "running already"));
	kill(ex.pid, SIGTERM);
	EXPECT_EQ(0, finish_example(&ex));
	EXPECT_NE(0, access(INSTANCE, F_OK));
}

TEST_HARNESS_MAIN
