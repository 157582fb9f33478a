// SPDX-License-Identifier: GPL-2.0
/*
 * A policy in user space, as an example: earliest deadline first. The monitor
 * is off. A scheduler, which is a process of its own, finds the queues of all
 * others, and lets those run whose next deadline is the nearest; it needs
 * nothing but the ioctls, and to be told the deadlines. If it dies, the kernel
 * resumes what it held.
 */
#include "kfd_gpreempt_test.h"

#define SAVE		KFD_IOC_PREEMPT_WAVEFRONT_SAVE
#define ENABLE		KFD_IOC_GPREEMPT_PARAM_ENABLE
#define ACTIVE		KFD_IOC_GPREEMPT_QUEUE_ACTIVE
#define BY_IOCTL	KFD_IOC_GPREEMPT_HOLDER_IOCTL

#define WORKERS		3
/* A job fills the device so many times, for so long each time */
#define ROUNDS		3
#define ROUND_MS	60

/* Between two looks of the scheduler */
#define POLL_US		1000

FIXTURE_SETUP(kfd)
{
	const char *why;

	why = setup_monitor(_metadata, self);
	if (why)
		SKIP(return, "%s", why);
}

/*
 * What the workers and the scheduler tell each other; times are those of
 * kfd_now_us()
 */
struct board {
	struct shared s;
	struct {
		pid_t pid;
		__u64 release_us;
		__u64 deadline_us;	/* 0: no job now */
		__u64 done_us;
	} worker[WORKERS];
	int started;			/* workers that are ready */
	__u64 preemptions;
};

static struct board *board;

/* The nearest deadline of a process, or the end of time */
static __u64 deadline_of(pid_t pid)
{
	__u64 us;
	int i;

	for (i = 0; i < WORKERS; i++) {
		us = __atomic_load_n(&board->worker[i].deadline_us, __ATOMIC_ACQUIRE);
		if (board->worker[i].pid == pid && us)
			return us;
	}
	return -1;
}

/* Preempt or resume all queues of a process, as far as that is not done yet */
static void move_process(struct kfd *kfd, pid_t pid, bool run)
{
	struct kfd_ioctl_gpreempt_args q;
	__u32 id;
	int r;

	/* A process that ends meanwhile is -ESRCH, and one that begins comes next time */
	for (id = 0; !kfd_gpreempt_next_queue(kfd, pid, id, 0, &q); id = q.queue_id + 1) {
		if (run && q.queue_holder == BY_IOCTL) {
			r = kfd_resume(kfd, pid, q.queue_id);
			CHILD_CHECK(!r || r == -ESRCH || r == -EINVAL);
		} else if (!run && q.queue_state == ACTIVE) {
			r = kfd_preempt(kfd, pid, q.queue_id, SAVE, 0);
			CHILD_CHECK(!r || r == -ESRCH || r == -EINVAL);
			board->preemptions += !r;
		}
	}
}

/* The whole policy */
static void schedule_once(struct kfd *kfd)
{
	__u64 us, first = -1;
	pid_t pid;

	for (pid = 0; (pid = kfd_gpreempt_next_pid(kfd, pid)) > 0;) {
		us = deadline_of(pid);
		if (us < first)
			first = us;
	}
	/* First make room, then fill it */
	for (pid = 0; (pid = kfd_gpreempt_next_pid(kfd, pid)) > 0;)
		if (deadline_of(pid) > first)
			move_process(kfd, pid, false);
	for (pid = 0; (pid = kfd_gpreempt_next_pid(kfd, pid)) > 0;)
		if (deadline_of(pid) <= first)
			move_process(kfd, pid, true);
}

static void scheduler(struct shared *s)
{
	struct kfd kfd;

	CHILD_CHECK(!kfd_open(&kfd));
	while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
		schedule_once(&kfd);
		usleep(POLL_US);
	}
}

/* Knows nothing about the scheduler, but says when its job has to be done */
static void worker(struct shared *s)
{
	int me = __atomic_fetch_add(&board->started, 1, __ATOMIC_SEQ_CST);
	struct kfd_queue q;
	struct kfd_job job;
	struct kfd kfd;

	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(!kfd_queue_create(&kfd, &q, NULL));
	CHILD_CHECK(!kfd_job_init(&kfd, &job, GFX942_COUNT, ROUNDS * kfd.gpu.wave_slots,
				  LOOPS_MS(ROUND_MS)));
	board->worker[me].pid = getpid();
	__atomic_fetch_add(&s->step, 1, __ATOMIC_SEQ_CST);
	CHILD_CHECK(wait_value(&s->value[0], 1));
	while (kfd_now_us() < board->worker[me].release_us)
		usleep(200);
	/* The one that is stored last counts */
	__atomic_store_n(&board->worker[me].deadline_us, s->value[1 + me], __ATOMIC_RELEASE);
	kfd_job_submit(&job, &q);
	CHILD_CHECK(!kfd_job_wait(&job, KFD_TIMEOUT_MS));
	board->worker[me].done_us = kfd_now_us();
	__atomic_store_n(&board->worker[me].deadline_us, 0, __ATOMIC_RELEASE);
	CHILD_CHECK(!kfd_job_wrong(&job, 1));
}

/* What one job takes that has the device for itself */
static __u64 alone_us(struct __test_metadata *_metadata, struct _test_data_kfd *self)
{
	__u64 start;

	EXPECT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], NULL));
	EXPECT_EQ(0, kfd_job_init(&self->kfd, &self->job[0], GFX942_COUNT,
				  ROUNDS * self->kfd.gpu.wave_slots, LOOPS_MS(ROUND_MS)));
	start = kfd_now_us();
	kfd_job_submit(&self->job[0], &self->q[0]);
	EXPECT_EQ(0, kfd_job_wait(&self->job[0], KFD_TIMEOUT_MS));
	start = kfd_now_us() - start;
	EXPECT_EQ(0, kfd_queue_destroy(&self->q[0]));
	return start;
}

/*
 * Three jobs, each in units of what it takes alone. Together they take 3.0, so
 * that the last can be met only if it goes before the others.
 */
static const struct {
	double release, deadline;
} jobs[WORKERS] = {
	{ 0.0, 4.5 },
	{ 0.3, 3.4 },
	{ 0.6, 2.2 },
};

/* Return: missed deadlines, or -1 */
static int run(struct __test_metadata *_metadata, struct _test_data_kfd *self, bool edf, __u64 unit)
{
	pid_t pid[WORKERS], sched = 0;
	int i, missed = 0;
	__u64 now;

	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	if (board == MAP_FAILED)
		return -1;
	for (i = 0; i < WORKERS; i++)
		pid[i] = start_child(&self->kfd, worker, &board->s);
	if (!wait_step(&board->s, WORKERS))
		return -1;
	if (edf)
		sched = start_child(&self->kfd, scheduler, &board->s);
	now = kfd_now_us() + 50000;
	for (i = 0; i < WORKERS; i++) {
		board->worker[i].release_us = now + jobs[i].release * unit;
		board->s.value[1 + i] = now + jobs[i].deadline * unit;
	}
	__atomic_store_n(&board->s.value[0], 1, __ATOMIC_RELEASE);
	for (i = 0; i < WORKERS; i++)
		EXPECT_TRUE(end_child(pid[i]));
	board->s.stop = 1;
	if (edf)
		EXPECT_TRUE(end_child(sched));
	for (i = 0; i < WORKERS; i++) {
		long long late = board->worker[i].done_us - board->s.value[1 + i];

		TH_LOG("%s: job %d done at %.2f, deadline %.2f%s", edf ? "EDF" : "none", i,
		       (double)(board->worker[i].done_us - now) / unit, jobs[i].deadline,
		       late > 0 ? ", missed" : "");
		missed += late > 0;
	}
	if (edf)
		EXPECT_LE(2, board->preemptions);
	munmap(board, sizeof(*board));
	return missed;
}

KFD_TEST(earliest_deadline_first)
{
	__u64 unit = alone_us(_metadata, self);

	EXPECT_LT(0, run(_metadata, self, false, unit));
	EXPECT_EQ(0, run(_metadata, self, true, unit));
}

TEST_HARNESS_MAIN
