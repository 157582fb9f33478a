// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of who may preempt whose queues, and of who holds them: other
 * processes by pid, several holders, and holders that go away.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <linux/capability.h>

#include "kfd_gpreempt_test.h"

#define SAVE		KFD_IOC_PREEMPT_WAVEFRONT_SAVE
#define ACTIVE		KFD_IOC_GPREEMPT_QUEUE_ACTIVE
#define PREEMPTED	KFD_IOC_GPREEMPT_QUEUE_PREEMPTED
#define WORKGROUPS	50

/* shared.value[] */
enum { QUEUE, PID, TID, GO, DONE };

FIXTURE_SETUP(kfd)
{
	const char *why;

	why = setup_gpreempt(_metadata, self);
	if (why)
		SKIP(return, "%s", why);
}

static void start_waiting(struct __test_metadata *_metadata, struct _test_data_kfd *self, int i)
{
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[i], NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[i], GFX942_WAIT, WORKGROUPS, 1));
	kfd_job_submit(&self->job[i], &self->q[i]);
	ASSERT_EQ(0, wait_launched(&self->q[i], 1));
}

static void finish_waiting(struct __test_metadata *_metadata, struct _test_data_kfd *self, int i)
{
	kfd_job_release(&self->job[i]);
	ASSERT_EQ(0, kfd_job_wait(&self->job[i], KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(&self->job[i], 1));
}

/* A program that computes. At step 2 its waves may end, if they run. */
static void owner(struct shared *s)
{
	struct kfd_queue q;
	struct kfd_job job;
	struct kfd kfd;

	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(!kfd_queue_create(&kfd, &q, NULL));
	CHILD_CHECK(!kfd_job_init(&kfd, &job, GFX942_WAIT, WORKGROUPS, 1));
	kfd_job_submit(&job, &q);
	CHILD_CHECK(!wait_launched(&q, 1));
	s->value[QUEUE] = q.id;
	s->value[TID] = syscall(SYS_gettid);
	if (s->stop)
		CHILD_CHECK(!setresuid(s->stop, s->stop, s->stop));
	set_step(s, 1);
	CHILD_CHECK(wait_step(s, 2));
	CHILD_CHECK(queue_state(&q) == PREEMPTED);
	kfd_job_release(&job);
	usleep(30000);
	CHILD_CHECK(!kfd_job_sum(&job));
	set_step(s, 3);
	CHILD_CHECK(!kfd_job_wait(&job, KFD_TIMEOUT_MS));
	CHILD_CHECK(!kfd_job_wrong(&job, 1));
	CHILD_CHECK(queue_state(&q) == ACTIVE);
}

/* uid: of the owner, 0 for the test's own */
static pid_t start_owner(struct _test_data_kfd *self, struct shared *s, int uid)
{
	pid_t pid;

	set_step(s, 0);
	s->stop = uid;
	pid = start_child(&self->kfd, owner, s);
	return pid > 0 && wait_step(s, 1) ? pid : -1;
}

KFD_TEST(other_process)
{
	struct shared *s = shared_page();
	pid_t pid;

	ASSERT_NE(NULL, s);
	pid = start_owner(self, s, 0);
	ASSERT_LT(0, pid);
	/* Not by accident one of the test's own */
	start_waiting(_metadata, self, 0);
	ASSERT_EQ(0, kfd_preempt(&self->kfd, pid, s->value[QUEUE], SAVE, 0));
	EXPECT_EQ(0, kfd_preempt(&self->kfd, pid, s->value[QUEUE], SAVE, 0));
	EXPECT_EQ(-EINVAL, kfd_preempt(&self->kfd, pid, 77, SAVE, 0));
	EXPECT_EQ(-EINVAL, kfd_resume(&self->kfd, pid, 77));
	EXPECT_EQ(ACTIVE, queue_state(&self->q[0]));
	set_step(s, 2);
	ASSERT_TRUE(wait_step(s, 3));
	ASSERT_EQ(0, kfd_resume(&self->kfd, pid, s->value[QUEUE]));
	EXPECT_TRUE(end_child(pid));
	finish_waiting(_metadata, self, 0);
	EXPECT_EQ(-ESRCH, kfd_preempt(&self->kfd, pid, s->value[QUEUE], SAVE, 0));
}

static struct kfd_job main_job;

/* What its main thread has left behind is no KFD client any more, but it runs */
static void *lives_on(void *arg)
{
	struct shared *s = arg;
	char path[256];

	/* The main thread's, which has no program once it has ended */
	while (readlink("/proc/self/exe", path, sizeof(path)) > 0)
		usleep(1000);
	set_step(s, 1);
	CHILD_CHECK(wait_step(s, 2));
	kfd_job_release(&main_job);
	usleep(30000);
	CHILD_CHECK(!kfd_job_sum(&main_job));
	set_step(s, 3);
	CHILD_CHECK(!kfd_job_wait(&main_job, KFD_TIMEOUT_MS));
	CHILD_CHECK(!kfd_job_wrong(&main_job, 1));
	_exit(0);
}

static void main_thread_ends(struct shared *s)
{
	struct kfd_queue q;
	pthread_t thread;
	struct kfd kfd;

	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(!kfd_queue_create(&kfd, &q, NULL));
	CHILD_CHECK(!kfd_job_init(&kfd, &main_job, GFX942_WAIT, WORKGROUPS, 1));
	kfd_job_submit(&main_job, &q);
	CHILD_CHECK(!wait_launched(&q, 1));
	s->value[QUEUE] = q.id;
	CHILD_CHECK(!pthread_create(&thread, NULL, lives_on, s));
	syscall(SYS_exit, 0);
}

/* A program cannot hide its queues behind a main thread that has ended */
KFD_TEST(owner_without_main_thread)
{
	struct kfd_ioctl_gpreempt_args args;
	struct shared *s = shared_page();
	pid_t pid;

	ASSERT_NE(NULL, s);
	pid = start_child(&self->kfd, main_thread_ends, s);
	ASSERT_LT(0, pid);
	ASSERT_TRUE(wait_step(s, 1));
	ASSERT_EQ(0, kfd_preempt(&self->kfd, pid, s->value[QUEUE], SAVE, 0));
	ASSERT_EQ(0, kfd_gpreempt_query_of(&self->kfd, pid, s->value[QUEUE], 0, &args));
	EXPECT_EQ(PREEMPTED, args.queue_state);
	set_step(s, 2);
	ASSERT_TRUE(wait_step(s, 3));
	ASSERT_EQ(0, kfd_resume(&self->kfd, pid, s->value[QUEUE]));
	EXPECT_TRUE(end_child(pid));
}

#define PENDING_KNOWN	KFD_IOC_GPREEMPT_QUEUE_PENDING_KNOWN
#define READ_ALL	(KFD_IOC_GPREEMPT_READ_PENDING | KFD_IOC_GPREEMPT_READ_WAVES)

/* What a policy in user space sees of another process, and of its memory */
static void looked_at(struct shared *s)
{
	struct kfd_queue_opts opts = { .has_priority = true, .priority = 11 };
	struct kfd_ioctl_gpreempt_args a;
	struct kfd_queue q;
	struct kfd_job job, more;
	struct kfd kfd;

	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(!kfd_queue_create(&kfd, &q, &opts));
	CHILD_CHECK(!kfd_job_init(&kfd, &job, GFX942_WAIT, WORKGROUPS, 1));
	CHILD_CHECK(!kfd_job_init(&kfd, &more, GFX942_COUNT, WORKGROUPS, 1));
	kfd_job_submit(&job, &q);
	/* Its waves start one after another */
	do {
		usleep(1000);
		CHILD_CHECK(!kfd_gpreempt_query_of(&kfd, 0, q.id, READ_ALL, &a));
	} while (a.queue_waves < WORKGROUPS);
	s->value[QUEUE] = q.id;
	set_step(s, 1);
	CHILD_CHECK(wait_step(s, 2));
	kfd_job_submit_n(&more, &q, 5);
	set_step(s, 3);
	CHILD_CHECK(wait_step(s, 4));
	CHILD_CHECK(!mprotect(q.ptrs.cpu, 4096, PROT_NONE));
	set_step(s, 5);
	CHILD_CHECK(wait_step(s, 6));
	CHILD_CHECK(!mprotect(q.ptrs.cpu, 4096, PROT_READ | PROT_WRITE));
	kfd_job_release(&job);
	CHILD_CHECK(!kfd_job_wait(&more, KFD_TIMEOUT_MS));
	CHILD_CHECK(!kfd_job_wrong(&job, 1));
	CHILD_CHECK(!kfd_job_wrong(&more, 5));
}

KFD_TEST(query_other_process)
{
	struct kfd_ioctl_gpreempt_args a;
	struct kfd *kfd = &self->kfd;
	struct shared *s = shared_page();
	__u32 id;
	pid_t pid;

	ASSERT_NE(NULL, s);
	EXPECT_EQ(-ENOENT, kfd_gpreempt_next_pid(kfd, 0));
	pid = start_child(kfd, looked_at, s);
	ASSERT_LT(0, pid);
	ASSERT_TRUE(wait_step(s, 1));
	/* The test has no queue yet, and does not count */
	ASSERT_EQ(pid, kfd_gpreempt_next_pid(kfd, 0));
	EXPECT_EQ(-ENOENT, kfd_gpreempt_next_pid(kfd, pid));
	EXPECT_EQ(pid, kfd_gpreempt_next_pid(kfd, pid - 1));
	start_waiting(_metadata, self, 0);
	EXPECT_EQ(getpid() < pid ? getpid() : pid, kfd_gpreempt_next_pid(kfd, 0));
	EXPECT_EQ(-ESRCH, kfd_gpreempt_query_of(kfd, 4194304, 0, 0, &a));
	EXPECT_EQ(-ESRCH, kfd_gpreempt_next_queue(kfd, 4194304, 0, 0, &a));

	ASSERT_EQ(0, kfd_gpreempt_next_queue(kfd, pid, 0, READ_ALL, &a));
	id = a.queue_id;
	EXPECT_EQ(s->value[QUEUE], id);
	EXPECT_EQ(11, a.queue_priority);
	EXPECT_EQ(WORKGROUPS, a.queue_waves);
	EXPECT_NE(0, a.queue_flags & PENDING_KNOWN);
	EXPECT_EQ(0, a.queue_pending);
	EXPECT_EQ(-ENOENT, kfd_gpreempt_next_queue(kfd, pid, id + 1, 0, &a));
	EXPECT_EQ(-EINVAL, kfd_gpreempt_query_of(kfd, pid, id + 1, 0, &a));

	ASSERT_EQ(0, kfd_preempt(kfd, pid, id, SAVE, 0));
	set_step(s, 2);
	ASSERT_TRUE(wait_step(s, 3));
	ASSERT_EQ(0, kfd_gpreempt_query_of(kfd, pid, id, READ_ALL, &a));
	EXPECT_EQ(PREEMPTED, (int)a.queue_state);
	EXPECT_EQ(KFD_IOC_GPREEMPT_HOLDER_IOCTL, a.queue_holder);
	EXPECT_EQ(5, a.queue_pending);
	EXPECT_EQ(0, a.queue_waves);
	EXPECT_EQ(1, a.queue_preemptions);
	EXPECT_LT(0, a.queue_since_ns);
	/* Memory that is not there is not waited for */
	set_step(s, 4);
	ASSERT_TRUE(wait_step(s, 5));
	ASSERT_EQ(0, kfd_gpreempt_query_of(kfd, pid, id, READ_ALL, &a));
	EXPECT_EQ(0, a.queue_flags & PENDING_KNOWN);
	EXPECT_EQ(0, a.queue_pending);
	set_step(s, 6);
	ASSERT_EQ(0, kfd_resume(kfd, pid, id));
	EXPECT_TRUE(end_child(pid));
	EXPECT_EQ(-ESRCH, kfd_gpreempt_query_of(kfd, pid, id, 0, &a));
	EXPECT_EQ(getpid(), kfd_gpreempt_next_pid(kfd, 0));
	finish_waiting(_metadata, self, 0);
}

KFD_TEST(no_such_process)
{
	struct shared *s = shared_page();
	pid_t pid;

	ASSERT_NE(NULL, s);
	start_waiting(_metadata, self, 0);
	EXPECT_EQ(-ESRCH, kfd_preempt(&self->kfd, 4194304, self->q[0].id, SAVE, 0));
	EXPECT_EQ(-ESRCH, kfd_preempt(&self->kfd, -1, self->q[0].id, SAVE, 0));
	EXPECT_EQ(-ESRCH, kfd_resume(&self->kfd, 4194304, self->q[0].id));
	/* One that does not use KFD */
	pid = fork();
	if (!pid) {
		pause();
		_exit(0);
	}
	ASSERT_LT(0, pid);
	EXPECT_EQ(-ESRCH, kfd_preempt(&self->kfd, pid, self->q[0].id, SAVE, 0));
	EXPECT_TRUE(kill_child(pid));
	EXPECT_EQ(ACTIVE, queue_state(&self->q[0]));
	finish_waiting(_metadata, self, 0);
}

static void *thread_pid(void *arg)
{
	struct shared *s = arg;

	__atomic_store_n(&s->value[TID], syscall(SYS_gettid), __ATOMIC_RELEASE);
	wait_value(&s->value[GO], 1);
	return NULL;
}

/* A process is named by its pid, not by that of one of its threads */
KFD_TEST(thread_is_no_process)
{
	struct shared *s = shared_page();
	pthread_t thread;

	ASSERT_NE(NULL, s);
	start_waiting(_metadata, self, 0);
	ASSERT_EQ(0, pthread_create(&thread, NULL, thread_pid, s));
	ASSERT_TRUE(wait_value(&s->value[TID], 1));
	EXPECT_EQ(-ESRCH, kfd_preempt(&self->kfd, s->value[TID], self->q[0].id, SAVE, 0));
	s->value[GO] = 1;
	pthread_join(thread, NULL);
	finish_waiting(_metadata, self, 0);
}

static bool drop_all_but_nice(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	data[0].effective = 1u << CAP_SYS_NICE;
	data[0].permitted = 1u << CAP_SYS_NICE;
	return !syscall(SYS_capset, &head, data);
}

/* Somebody with another uid, of a kind that s->stop tells */
enum { STRANGER = 1, SAME_USER, MAY_RENICE };

/* Is the process found by walking over all? */
static bool sees(struct kfd *kfd, pid_t pid)
{
	pid_t found = 0;

	while ((found = kfd_gpreempt_next_pid(kfd, found)) > 0)
		if (found == pid)
			return true;
	return false;
}

static void somebody(struct shared *s)
{
	struct kfd_ioctl_gpreempt_args args;
	int kind = s->stop;
	pid_t pid = s->value[PID];
	__u32 queue = s->value[QUEUE];
	struct kfd kfd;

	CHILD_CHECK(!kfd_open(&kfd));
	if (kind == SAME_USER) {
		CHILD_CHECK(!setresuid(1001, 1001, 1001));
	} else if (kind == MAY_RENICE) {
		CHILD_CHECK(!prctl(PR_SET_KEEPCAPS, 1));
		CHILD_CHECK(!setresuid(1002, 1002, 1002));
		CHILD_CHECK(drop_all_but_nice());
	} else {
		CHILD_CHECK(!setresuid(1002, 1002, 1002));
	}
	if (kind == STRANGER) {
		CHILD_CHECK(kfd_preempt(&kfd, pid, queue, SAVE, 0) == -EPERM);
		CHILD_CHECK(kfd_preempt(&kfd, pid, 77, SAVE, 0) == -EPERM);
		CHILD_CHECK(kfd_resume(&kfd, pid, queue) == -EPERM);
		CHILD_CHECK(kfd_gpreempt_query_of(&kfd, pid, queue, 0, &args) == -EPERM);
		CHILD_CHECK(kfd_gpreempt_query_of(&kfd, pid, 77, 0, &args) == -EPERM);
		CHILD_CHECK(kfd_gpreempt_next_queue(&kfd, pid, 0, 0, &args) == -EPERM);
		CHILD_CHECK(!sees(&kfd, pid));
		CHILD_CHECK(kfd_gpreempt_next_pid(&kfd, 0) == -ENOENT);
	} else {
		CHILD_CHECK(!kfd_gpreempt_query_of(&kfd, pid, queue, 0, &args));
		CHILD_CHECK(args.queue_state == ACTIVE);
		CHILD_CHECK(kfd_gpreempt_query_of(&kfd, pid, 77, 0, &args) == -EINVAL);
		CHILD_CHECK(!kfd_gpreempt_next_queue(&kfd, pid, 0, 0, &args));
		CHILD_CHECK(args.queue_id == queue);
		CHILD_CHECK(sees(&kfd, pid));
		CHILD_CHECK(!kfd_preempt(&kfd, pid, queue, SAVE, 0));
		CHILD_CHECK(!kfd_resume(&kfd, pid, queue));
		CHILD_CHECK(!kfd_preempt(&kfd, pid, queue, SAVE, 0));
		s->value[DONE] = 1;
		wait_value(&s->value[GO], 1);
		CHILD_CHECK(!kfd_resume(&kfd, pid, queue));
	}
}

KFD_TEST(permissions)
{
	struct shared *s = shared_page();
	pid_t target, child;
	int kind;

	ASSERT_NE(NULL, s);
	target = start_owner(self, s, 1001);
	ASSERT_LT(0, target);
	s->value[PID] = target;

	s->stop = STRANGER;
	child = start_child(&self->kfd, somebody, s);
	ASSERT_LT(0, child);
	EXPECT_TRUE(end_child(child));

	for (kind = SAME_USER; kind <= MAY_RENICE; kind++) {
		s->stop = kind;
		s->value[GO] = 0;
		s->value[DONE] = 0;
		child = start_child(&self->kfd, somebody, s);
		ASSERT_LT(0, child);
		ASSERT_TRUE(wait_value(&s->value[DONE], 1));
		/* Root may do much, but not take what another one holds */
		EXPECT_EQ(-EBUSY, kfd_preempt(&self->kfd, target, s->value[QUEUE], SAVE, 0));
		EXPECT_EQ(-EBUSY, kfd_resume(&self->kfd, target, s->value[QUEUE]));
		if (kind == MAY_RENICE) {
			set_step(s, 2);
			ASSERT_TRUE(wait_step(s, 3));
		}
		s->value[GO] = 1;
		EXPECT_TRUE(end_child(child));
	}
	EXPECT_TRUE(end_child(target));
}

static void in_namespace(struct shared *s)
{
	struct kfd_ioctl_gpreempt_args args;
	struct kfd_queue q;
	struct kfd kfd;

	/* The first process of the namespace: pid 1 is itself */
	CHILD_CHECK(getpid() == 1);
	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(kfd_preempt(&kfd, s->value[PID], s->value[QUEUE], SAVE, 0) == -ESRCH);
	CHILD_CHECK(kfd_resume(&kfd, s->value[PID], s->value[QUEUE]) == -ESRCH);
	CHILD_CHECK(kfd_preempt(&kfd, 1, 0, SAVE, 0) == -EINVAL);
	CHILD_CHECK(kfd_gpreempt_query_of(&kfd, s->value[PID], s->value[QUEUE], 0, &args) ==
		    -ESRCH);
	CHILD_CHECK(kfd_gpreempt_next_queue(&kfd, s->value[PID], 0, 0, &args) == -ESRCH);
	CHILD_CHECK(kfd_gpreempt_next_pid(&kfd, 0) == -ENOENT);
	CHILD_CHECK(!kfd_queue_create(&kfd, &q, NULL));
	CHILD_CHECK(kfd_gpreempt_next_pid(&kfd, 0) == 1);
	CHILD_CHECK(kfd_gpreempt_next_pid(&kfd, 1) == -ENOENT);
	CHILD_CHECK(!kfd_gpreempt_next_queue(&kfd, 1, 0, 0, &args));
	CHILD_CHECK(args.queue_id == q.id);
}

/* A pid is what the caller's namespace calls a process; outer ones have none */
KFD_TEST(pid_namespace)
{
	struct shared *s = shared_page();
	pid_t target, pid;
	int status;

	ASSERT_NE(NULL, s);
	target = start_owner(self, s, 0);
	ASSERT_LT(1, target);
	s->value[PID] = target;
	pid = fork();
	if (!pid) {
		self->kfd.doorbells = NULL;
		kfd_close(&self->kfd);
		if (unshare(CLONE_NEWPID))
			_exit(4);
		pid = start_child(NULL, in_namespace, s);
		_exit(pid > 0 && end_child(pid) ? 0 : 1);
	}
	ASSERT_LT(0, pid);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	ASSERT_EQ(0, kfd_preempt(&self->kfd, target, s->value[QUEUE], SAVE, 0));
	set_step(s, 2);
	ASSERT_TRUE(wait_step(s, 3));
	ASSERT_EQ(0, kfd_resume(&self->kfd, target, s->value[QUEUE]));
	EXPECT_TRUE(end_child(target));
	if (WEXITSTATUS(status) == 4)
		SKIP(return, "no PID namespaces");
	EXPECT_EQ(0, WEXITSTATUS(status));
}

static void holder(struct shared *s)
{
	struct kfd kfd;
	int fd;

	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(!kfd_preempt(&kfd, s->value[PID], s->value[QUEUE], SAVE, 0));
	if (s->stop == 2) {
		/* The file lives on in another program */
		fd = dup(kfd.fd);
		CHILD_CHECK(fd >= 0 && fcntl(kfd.fd, F_SETFD, 0) != -1);
		set_step(s, 1);
		execl("/bin/busybox", "sleep", "100", NULL);
		_exit(1);
	}
	set_step(s, 1);
	if (s->stop == 1)
		_exit(0);
	pause();
}

/* A holder that exits, is killed, or executes another program */
KFD_TEST(holder_exits)
{
	struct shared *s = shared_page();
	pid_t pid;
	int how;

	ASSERT_NE(NULL, s);
	start_waiting(_metadata, self, 0);
	s->value[PID] = getpid();
	s->value[QUEUE] = self->q[0].id;
	for (how = 0; how < 2; how++) {
		set_step(s, 0);
		s->stop = how;
		pid = start_child(&self->kfd, holder, s);
		ASSERT_LT(0, pid);
		ASSERT_TRUE(wait_step(s, 1));
		if (!how) {
			EXPECT_EQ(PREEMPTED, queue_state(&self->q[0]));
			EXPECT_EQ(-EBUSY, kfd_queue_resume(&self->q[0]));
			EXPECT_EQ(-EBUSY, kfd_queue_preempt(&self->q[0], SAVE, 0));
		}
		EXPECT_TRUE(how ? end_child(pid) : kill_child(pid));
		EXPECT_TRUE(wait_state(&self->q[0], ACTIVE));
	}
	finish_waiting(_metadata, self, 0);
}

KFD_TEST(holder_executes)
{
	struct shared *s = shared_page();
	pid_t pid;

	ASSERT_NE(NULL, s);
	if (access("/bin/busybox", X_OK))
		SKIP(return, "no busybox to execute");
	start_waiting(_metadata, self, 0);
	s->value[PID] = getpid();
	s->value[QUEUE] = self->q[0].id;
	s->stop = 2;
	pid = start_child(&self->kfd, holder, s);
	ASSERT_LT(0, pid);
	ASSERT_TRUE(wait_step(s, 1));
	usleep(100000);
	EXPECT_EQ(PREEMPTED, queue_state(&self->q[0]));
	EXPECT_EQ(-EBUSY, kfd_queue_resume(&self->q[0]));
	EXPECT_TRUE(kill_child(pid));
	EXPECT_TRUE(wait_state(&self->q[0], ACTIVE));
	finish_waiting(_metadata, self, 0);
}

/* Two open files of one process are two holders */
KFD_TEST(two_files)
{
	struct kfd second = self->kfd;
	struct kfd_queue q;

	start_waiting(_metadata, self, 0);
	second.fd = open("/dev/kfd", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, second.fd);
	q = self->q[0];
	q.kfd = &second;
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	EXPECT_EQ(-EBUSY, kfd_queue_preempt(&q, SAVE, 0));
	EXPECT_EQ(-EBUSY, kfd_queue_resume(&q));
	close(second.fd);
	EXPECT_EQ(PREEMPTED, queue_state(&self->q[0]));
	ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	EXPECT_EQ(ACTIVE, queue_state(&self->q[0]));
	finish_waiting(_metadata, self, 0);
}

/* The owner of a held queue is killed: nothing is left to resume */
KFD_TEST(owner_killed)
{
	struct shared *s = shared_page();
	pid_t pid;
	int r;

	ASSERT_NE(NULL, s);
	pid = start_owner(self, s, 0);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, kfd_preempt(&self->kfd, pid, s->value[QUEUE], SAVE, 0));
	kill(pid, SIGKILL);
	r = kfd_resume(&self->kfd, pid, s->value[QUEUE]);
	EXPECT_TRUE(!r || r == -ESRCH || r == -EINVAL || r == -EBUSY);
	EXPECT_TRUE(kill_child(pid));
	EXPECT_EQ(-ESRCH, kfd_resume(&self->kfd, pid, s->value[QUEUE]));
	start_waiting(_metadata, self, 0);
	finish_waiting(_metadata, self, 0);
}

static void executes(struct shared *s)
{
	struct kfd_queue q;
	struct kfd_job job;
	struct kfd kfd;

	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(!kfd_queue_create(&kfd, &q, NULL));
	CHILD_CHECK(!kfd_job_init(&kfd, &job, GFX942_WAIT, WORKGROUPS, 1));
	kfd_job_submit(&job, &q);
	CHILD_CHECK(!wait_launched(&q, 1));
	CHILD_CHECK(!kfd_queue_preempt(&q, SAVE, 0));
	set_step(s, 1);
	/* With its file, and without */
	CHILD_CHECK(fcntl(kfd.fd, F_SETFD, s->stop ? FD_CLOEXEC : 0) != -1);
	execl("/bin/busybox", "true", NULL);
	_exit(1);
}

KFD_TEST(owner_executes)
{
	struct shared *s = shared_page();
	pid_t pid;
	int i;

	ASSERT_NE(NULL, s);
	if (access("/bin/busybox", X_OK))
		SKIP(return, "no busybox to execute");
	start_waiting(_metadata, self, 0);
	for (i = 0; i < 4; i++) {
		set_step(s, 0);
		s->stop = i & 1;
		pid = start_child(&self->kfd, executes, s);
		ASSERT_LT(0, pid);
		EXPECT_TRUE(end_child(pid));
		EXPECT_EQ(1, get_step(s));
	}
	finish_waiting(_metadata, self, 0);
}

struct closer {
	struct kfd_queue q;
	struct kfd kfd;
	int stop;
	int held;
};

static void *open_and_close(void *arg)
{
	struct closer *c = arg;
	int fd;

	while (!__atomic_load_n(&c->stop, __ATOMIC_ACQUIRE)) {
		fd = open("/dev/kfd", O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		__atomic_store_n(&c->kfd.fd, fd, __ATOMIC_RELEASE);
		usleep(rand() % 2000);
		close(fd);
	}
	return NULL;
}

static void *preempt_and_resume(void *arg)
{
	struct closer *c = arg;

	/* On whatever the other thread has open now, or had */
	while (!__atomic_load_n(&c->stop, __ATOMIC_ACQUIRE)) {
		if (!kfd_queue_preempt(&c->q, SAVE, 0))
			__atomic_fetch_add(&c->held, 1, __ATOMIC_RELAXED);
		if (rand() & 1)
			kfd_queue_resume(&c->q);
	}
	return NULL;
}

/* A file is closed while other threads preempt on it: it never stays held */
KFD_TEST(close_races)
{
	struct closer c = { .kfd = self->kfd };
	pthread_t thread[3];
	int i;

	start_waiting(_metadata, self, 0);
	c.q = self->q[0];
	c.q.kfd = &c.kfd;
	c.kfd.fd = -1;
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL,
					    i ? preempt_and_resume : open_and_close, &c));
	usleep(500000);
	__atomic_store_n(&c.stop, 1, __ATOMIC_RELEASE);
	for (i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	EXPECT_LT(0, c.held);
	EXPECT_TRUE(wait_state(&self->q[0], ACTIVE));
	finish_waiting(_metadata, self, 0);
}

static void low_child(struct shared *s)
{
	struct kfd_queue_opts opts = { .has_priority = true, .priority = 3 };
	struct kfd_queue q;
	struct kfd_job job;
	struct kfd kfd;

	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(!kfd_queue_create(&kfd, &q, &opts));
	CHILD_CHECK(!kfd_job_init(&kfd, &job, GFX942_WAIT, WORKGROUPS, 1));
	kfd_job_submit(&job, &q);
	CHILD_CHECK(!wait_launched(&q, 1));
	s->value[QUEUE] = q.id;
	set_step(s, 1);
	CHILD_CHECK(wait_step(s, 2));
	CHILD_CHECK(wait_state(&q, PREEMPTED));
	set_step(s, 3);
	CHILD_CHECK(wait_step(s, 4));
	/* The monitor has no reason any more, the holder has */
	usleep(100000);
	CHILD_CHECK(queue_state(&q) == PREEMPTED);
	kfd_job_release(&job);
	usleep(20000);
	CHILD_CHECK(!kfd_job_sum(&job));
	set_step(s, 5);
	CHILD_CHECK(!kfd_job_wait(&job, KFD_TIMEOUT_MS));
	CHILD_CHECK(!kfd_job_wrong(&job, 1));
}

/* Another process holds what the monitor has preempted as well */
KFD_TEST(holder_and_monitor)
{
	struct kfd_queue_opts opts = { .has_priority = true, .priority = 12 };
	struct shared *s = shared_page();
	__u64 enabled;
	pid_t pid;

	ASSERT_NE(NULL, s);
	ASSERT_EQ(0, kfd_gpreempt_get(&self->kfd, KFD_IOC_GPREEMPT_PARAM_ENABLE, &enabled));
	if (kfd_gpreempt_set(&self->kfd, KFD_IOC_GPREEMPT_PARAM_ENABLE, 1) == -EPERM)
		SKIP(return, "only root may enable the monitor");
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], &opts));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[0], GFX942_WAIT, WORKGROUPS, 1));
	pid = start_child(&self->kfd, low_child, s);
	ASSERT_LT(0, pid);
	ASSERT_TRUE(wait_step(s, 1));
	kfd_job_submit(&self->job[0], &self->q[0]);
	set_step(s, 2);
	ASSERT_TRUE(wait_step(s, 3));
	EXPECT_EQ(-EBUSY, kfd_resume(&self->kfd, pid, s->value[QUEUE]));
	ASSERT_EQ(0, kfd_preempt(&self->kfd, pid, s->value[QUEUE], SAVE, 0));
	finish_waiting(_metadata, self, 0);
	set_step(s, 4);
	ASSERT_TRUE(wait_step(s, 5));
	ASSERT_EQ(0, kfd_resume(&self->kfd, pid, s->value[QUEUE]));
	EXPECT_TRUE(end_child(pid));
	EXPECT_EQ(0, kfd_gpreempt_set(&self->kfd, KFD_IOC_GPREEMPT_PARAM_ENABLE, enabled));
}

TEST_HARNESS_MAIN
