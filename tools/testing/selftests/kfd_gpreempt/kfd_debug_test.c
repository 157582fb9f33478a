// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of the debugger's hold on queues, and of how it meets preemption.
 * Suspended by a debugger and preempted are two reasons not to run, and a queue
 * runs when there is none. The test is the program that is debugged, its child
 * the debugger, who traces it and does what it is told.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

#include "kfd_gpreempt_test.h"

#define SAVE		KFD_IOC_PREEMPT_WAVEFRONT_SAVE
#define ACTIVE		KFD_IOC_GPREEMPT_QUEUE_ACTIVE
#define PREEMPTED	KFD_IOC_GPREEMPT_QUEUE_PREEMPTED

/* Longer than saved waves may take to come back after a new runlist */
#define HOLDOFF_US	300000

#define MAX_ENTRIES	16

enum { ATTACH, DETACH, SUSPEND, RESUME, SNAPSHOT, QUIT };

/* What debugger and program share; an odd step is a request, an even one the answer */
struct dbg {
	struct shared s;
	int op;
	int result;
	__u32 n;
	__u32 ids[MAX_ENTRIES];
	struct kfd_queue_snapshot_entry entry[MAX_ENTRIES];
};

static struct dbg *dbg;
static pid_t dbg_pid;
static int dbg_step;

FIXTURE_SETUP(kfd)
{
	int r;

	self->violations = kfd_mock_violations();
	if (kfd_no_hws())
		SKIP(return, "no debugger without HWS");
	r = test_open(&self->kfd);
	if (r == -ENODEV)
		SKIP(return, "no gfx94x GPU");
	ASSERT_EQ(0, r);
	if (!kfd_module_param("cwsr_enable", 1))
		SKIP(return, "the waves of a queue cannot be saved");
	/* Else there is no need to drain interrupts when a debugger leaves */
	kfd_set_module_param("mock_ih_busy", 1);
	/* A runtime does this before it creates queues */
	ASSERT_EQ(0, kfd_runtime_enable(&self->kfd, true));
	dbg = (struct dbg *)shared_page();
	ASSERT_NE(NULL, dbg);
}

/* The debugger */

static int attach(struct kfd *kfd, pid_t target)
{
	struct kfd_runtime_info info = { 0 };
	struct kfd_ioctl_dbg_trap_args args = {
		.pid = target,
		.op = KFD_IOC_DBG_TRAP_ENABLE,
		.enable = { .rinfo_ptr = (uintptr_t)&info, .rinfo_size = sizeof(info) },
	};
	int fds[2];

	if (pipe(fds) || ptrace(PTRACE_SEIZE, target, NULL, NULL))
		return -errno;
	args.enable.dbg_fd = fds[1];
	return kfd_ioctl(kfd, AMDKFD_IOC_DBG_TRAP, &args);
}

/* Return: the number of queues, which are no longer new to the debugger */
static int snapshot(struct kfd *kfd, pid_t target, struct dbg *d)
{
	struct kfd_ioctl_dbg_trap_args args = {
		.pid = target,
		.op = KFD_IOC_DBG_TRAP_GET_QUEUE_SNAPSHOT,
		.queue_snapshot = {
			.exception_mask = KFD_EC_MASK(EC_QUEUE_NEW),
			.snapshot_buf_ptr = (uintptr_t)d->entry,
			.num_queues = MAX_ENTRIES,
			.entry_size = sizeof(d->entry[0]),
		},
	};
	int r = kfd_ioctl(kfd, AMDKFD_IOC_DBG_TRAP, &args);

	return r ? r : (int)args.queue_snapshot.num_queues;
}

static int execute(struct kfd *kfd, pid_t target, struct dbg *d)
{
	struct kfd_ioctl_dbg_trap_args args = { .pid = target };
	int r;

	switch (d->op) {
	case ATTACH:
		return attach(kfd, target);
	case SNAPSHOT:
		return snapshot(kfd, target, d);
	case DETACH:
		args.op = KFD_IOC_DBG_TRAP_DISABLE;
		break;
	case SUSPEND:
		r = snapshot(kfd, target, d);
		if (r < 0)
			return r;
		args.op = KFD_IOC_DBG_TRAP_SUSPEND_QUEUES;
		args.suspend_queues.queue_array_ptr = (uintptr_t)d->ids;
		args.suspend_queues.num_queues = d->n;
		break;
	case RESUME:
		args.op = KFD_IOC_DBG_TRAP_RESUME_QUEUES;
		args.resume_queues.queue_array_ptr = (uintptr_t)d->ids;
		args.resume_queues.num_queues = d->n;
		break;
	}
	return kfd_ioctl(kfd, AMDKFD_IOC_DBG_TRAP, &args);
}

static void debugger(struct shared *s)
{
	struct dbg *d = (struct dbg *)s;
	pid_t target = getppid();
	struct kfd kfd = { 0 };
	int step, status;

	/* A program that is traced is gone for its parent when the tracer has seen it */
	CHILD_CHECK(!prctl(PR_SET_PDEATHSIG, SIGKILL));
	kfd.fd = open("/dev/kfd", O_RDWR | O_CLOEXEC);
	CHILD_CHECK(kfd.fd >= 0);
	for (step = 1;; step += 2) {
		while (get_step(s) < step) {
			if (waitpid(target, &status, WNOHANG | __WALL) > 0 && WIFSTOPPED(status))
				ptrace(PTRACE_CONT, target, NULL, WSTOPSIG(status));
			usleep(200);
		}
		if (d->op == QUIT)
			return;
		d->result = execute(&kfd, target, d);
		set_step(s, step + 1);
	}
}

/* The program */

static int tell(int op)
{
	dbg->op = op;
	set_step(&dbg->s, ++dbg_step);
	return wait_step(&dbg->s, ++dbg_step) ? dbg->result : -ETIME;
}

static int start_debugger(struct kfd *kfd)
{
	set_step(&dbg->s, 0);
	dbg_step = 0;
	dbg_pid = start_child(kfd, debugger, &dbg->s);
	return dbg_pid < 0 ? -errno : tell(ATTACH);
}

/* The debugger ends without a detach */
static bool quit_debugger(void)
{
	dbg->op = QUIT;
	set_step(&dbg->s, ++dbg_step);
	return end_child(dbg_pid);
}

/* Return: 0, or what the debugger got instead of one queue */
static int tell_queue(int op, struct kfd_queue *q)
{
	int r;

	dbg->n = 1;
	dbg->ids[0] = q->id;
	r = tell(op);
	if (r == 1 && dbg->ids[0] == q->id)
		return 0;
	return r < 0 ? r : -EBUSY;
}

static int dbg_suspend(struct kfd_queue *q)
{
	return tell_queue(SUSPEND, q);
}

static int dbg_resume(struct kfd_queue *q)
{
	return tell_queue(RESUME, q);
}

/* A queue with a dispatch in flight that waits for kfd_job_release() */
static void start_waiting(struct __test_metadata *_metadata, struct _test_data_kfd *self,
			  int i, __u32 priority)
{
	struct kfd_queue_opts opts = { .has_priority = true, .priority = priority };
	long long rptr;

	if (!self->q[i].kfd)
		ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[i], &opts));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[i], GFX942_WAIT,
				  self->kfd.gpu.wave_slots / 4, 1));
	rptr = kfd_queue_rptr(&self->q[i]);
	kfd_job_submit(&self->job[i], &self->q[i]);
	ASSERT_EQ(0, wait_launched(&self->q[i], rptr + 1));
}

/* What the job waits for has come, but it has no waves to see it */
static void stays_off(struct __test_metadata *_metadata, struct _test_data_kfd *self, int i)
{
	kfd_job_release(&self->job[i]);
	usleep(20000);
	EXPECT_EQ(0, kfd_job_sum(&self->job[i]));
	EXPECT_FALSE(kfd_job_done(&self->job[i]));
}

static void finish_waiting(struct __test_metadata *_metadata, struct _test_data_kfd *self, int i)
{
	kfd_job_release(&self->job[i]);
	ASSERT_EQ(0, kfd_job_wait(&self->job[i], KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(&self->job[i], 1));
}

KFD_TEST(suspend)
{
	int i;

	start_waiting(_metadata, self, 0, 7);
	start_waiting(_metadata, self, 1, 7);
	ASSERT_EQ(0, start_debugger(&self->kfd));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, dbg_suspend(&self->q[0]));
		/* Once more changes nothing */
		ASSERT_EQ(0, dbg_suspend(&self->q[0]));
		usleep(5000);
		if (i < 2)
			ASSERT_EQ(0, dbg_resume(&self->q[0]));
	}
	stays_off(_metadata, self, 0);
	finish_waiting(_metadata, self, 1);
	ASSERT_EQ(0, dbg_resume(&self->q[0]));
	finish_waiting(_metadata, self, 0);
	ASSERT_EQ(0, tell(DETACH));
	EXPECT_TRUE(quit_debugger());
}

/* A detach waits for interrupts that are under way; it comes to an end */
KFD_TEST(detach)
{
	int i;

	start_waiting(_metadata, self, 0, 7);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, start_debugger(&self->kfd));
		ASSERT_EQ(0, tell(DETACH));
		EXPECT_TRUE(quit_debugger());
	}
	ASSERT_EQ(0, start_debugger(&self->kfd));
	ASSERT_EQ(0, dbg_suspend(&self->q[0]));
	stays_off(_metadata, self, 0);
	/* Nobody is left who could resume it */
	ASSERT_EQ(0, tell(DETACH));
	finish_waiting(_metadata, self, 0);
	EXPECT_TRUE(quit_debugger());
}

/* The same for a debugger that ends, by itself or not */
KFD_TEST(debugger_dies)
{
	int i;

	for (i = 0; i < 4; i++) {
		start_waiting(_metadata, self, 0, 7);
		ASSERT_EQ(0, start_debugger(&self->kfd));
		ASSERT_EQ(0, dbg_suspend(&self->q[0]));
		stays_off(_metadata, self, 0);
		EXPECT_TRUE(i & 1 ? kill_child(dbg_pid) : quit_debugger());
		finish_waiting(_metadata, self, 0);
	}
}

static void debugged_child(struct shared *s)
{
	struct kfd_queue q[2];
	struct kfd_job job;
	struct kfd kfd;
	bool preempt;
	int i;

	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(!kfd_runtime_enable(&kfd, true));
	CHILD_CHECK(!kfd_job_init(&kfd, &job, GFX942_WAIT, 100, 1));
	preempt = kfd_has_gpreempt(&kfd);
	for (i = 0; i < 2; i++) {
		CHILD_CHECK(!kfd_queue_create(&kfd, &q[i], NULL));
		kfd_job_submit(&job, &q[i]);
		CHILD_CHECK(!wait_launched(&q[i], 1));
		if (preempt)
			CHILD_CHECK(!kfd_queue_preempt(&q[i], SAVE, 0));
	}
	CHILD_CHECK(!start_debugger(&kfd));
	CHILD_CHECK(!dbg_suspend(&q[1]));
	if (s->stop)
		raise(SIGKILL);
	_exit(0);
}

/* The program ends under the debugger, by itself or not */
KFD_TEST(program_dies)
{
	struct shared *s = shared_page();
	int i, status;
	__u64 end;
	pid_t pid;

	ASSERT_NE(NULL, s);
	start_waiting(_metadata, self, 0, 7);
	for (i = 0; i < 4; i++) {
		s->stop = i & 1;
		pid = start_child(&self->kfd, debugged_child, s);
		ASSERT_LT(0, pid);
		end = kfd_now_us() + KFD_TIMEOUT_MS * 1000ull;
		while (!waitpid(pid, &status, WNOHANG)) {
			ASSERT_GT(end, kfd_now_us()) TH_LOG("it does not end");
			usleep(1000);
		}
		EXPECT_EQ(i & 1 ? SIGKILL : 0, status);
	}
	finish_waiting(_metadata, self, 0);
}

struct destroyer {
	struct kfd_queue *q;
	pthread_t thread;
	int done;
	int result;
};

static void *destroy(void *arg)
{
	struct destroyer *d = arg;

	d->result = kfd_queue_destroy(d->q);
	__atomic_store_n(&d->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* A suspended queue is not destroyed before the debugger lets go of it */
static void start_destroy(struct __test_metadata *_metadata, struct destroyer *d,
			  struct kfd_queue *q)
{
	d->q = q;
	d->done = 0;
	ASSERT_EQ(0, pthread_create(&d->thread, NULL, destroy, d));
	usleep(50000);
	EXPECT_EQ(0, __atomic_load_n(&d->done, __ATOMIC_ACQUIRE));
}

static void end_destroy(struct __test_metadata *_metadata, struct destroyer *d)
{
	ASSERT_EQ(0, pthread_join(d->thread, NULL));
	EXPECT_EQ(0, d->result);
	d->q->kfd = NULL;
}

KFD_TEST(destroy_suspended)
{
	struct destroyer d;
	int i;

	for (i = 0; i < 3; i++) {
		start_waiting(_metadata, self, 0, 7);
		ASSERT_EQ(0, start_debugger(&self->kfd));
		ASSERT_EQ(0, dbg_suspend(&self->q[0]));
		start_destroy(_metadata, &d, &self->q[0]);
		/* Until then it is a queue, and needs its memory */
		EXPECT_EQ(-EBUSY, kfd_queue_destroy(&self->q[0]));
		EXPECT_EQ(-EBUSY, kfd_mem_unmap(&self->kfd, &self->q[0].ring));
		if (i < 2)
			ASSERT_EQ(0, i ? tell(DETACH) : dbg_resume(&self->q[0]));
		if (i == 2)
			EXPECT_TRUE(kill_child(dbg_pid));
		end_destroy(_metadata, &d);
		if (i < 2)
			EXPECT_TRUE(quit_debugger());
		kfd_job_release(&self->job[0]);
		usleep(5000);
		EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
	}
}

KFD_TEST(suspend_preempted)
{
	if (!kfd_has_gpreempt(&self->kfd))
		SKIP(return, "no CONFIG_HSA_AMD_GPREEMPT");
	start_waiting(_metadata, self, 0, 7);
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	ASSERT_EQ(0, start_debugger(&self->kfd));
	ASSERT_EQ(0, dbg_suspend(&self->q[0]));
	EXPECT_EQ(PREEMPTED, queue_state(&self->q[0]));
	ASSERT_EQ(0, dbg_resume(&self->q[0]));
	EXPECT_EQ(PREEMPTED, queue_state(&self->q[0]));
	stays_off(_metadata, self, 0);
	ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	finish_waiting(_metadata, self, 0);
	ASSERT_EQ(0, tell(DETACH));
	EXPECT_TRUE(quit_debugger());
}

/* Which reason comes first, and which one goes first */
KFD_TEST(both_orders)
{
	int i;

	if (!kfd_has_gpreempt(&self->kfd))
		SKIP(return, "no CONFIG_HSA_AMD_GPREEMPT");
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[1], NULL));
	for (i = 0; i < 8; i++) {
		start_waiting(_metadata, self, 0, 7);
		if (i & 4 || !i)
			ASSERT_EQ(0, start_debugger(&self->kfd));
		if (i & 1) {
			ASSERT_EQ(0, dbg_suspend(&self->q[0]));
			ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
		} else {
			ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
			ASSERT_EQ(0, dbg_suspend(&self->q[0]));
		}
		EXPECT_EQ(PREEMPTED, queue_state(&self->q[0]));
		ASSERT_EQ(0, i & 2 ? dbg_resume(&self->q[0]) : kfd_queue_resume(&self->q[0]));
		EXPECT_EQ(i & 2 ? PREEMPTED : ACTIVE, queue_state(&self->q[0]));
		/* Nor does a new runlist bring it back */
		ASSERT_EQ(0, kfd_queue_update(&self->q[1]));
		stays_off(_metadata, self, 0);
		if (i & 2)
			ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
		if (!(i & 2))
			ASSERT_EQ(0, i & 4 ? tell(DETACH) : dbg_resume(&self->q[0]));
		finish_waiting(_metadata, self, 0);
		if (i >= 3)
			EXPECT_TRUE(quit_debugger());
	}
}

/* The debugger goes while a queue is preempted: no reason to put it back */
KFD_TEST(debugger_leaves_preempted)
{
	int i;

	if (!kfd_has_gpreempt(&self->kfd))
		SKIP(return, "no CONFIG_HSA_AMD_GPREEMPT");
	for (i = 0; i < 6; i++) {
		start_waiting(_metadata, self, 0, 7);
		ASSERT_EQ(0, start_debugger(&self->kfd));
		ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
		if (i & 1)
			ASSERT_EQ(0, dbg_suspend(&self->q[0]));
		if (i / 2 == 0)
			ASSERT_EQ(0, tell(DETACH));
		EXPECT_TRUE(i / 2 == 1 ? kill_child(dbg_pid) : quit_debugger());
		EXPECT_EQ(PREEMPTED, queue_state(&self->q[0]));
		stays_off(_metadata, self, 0);
		ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
		finish_waiting(_metadata, self, 0);
	}
}

KFD_TEST(destroy_suspended_preempted)
{
	struct destroyer d;
	int i;

	if (!kfd_has_gpreempt(&self->kfd))
		SKIP(return, "no CONFIG_HSA_AMD_GPREEMPT");
	for (i = 0; i < 4; i++) {
		start_waiting(_metadata, self, 0, 7);
		ASSERT_EQ(0, start_debugger(&self->kfd));
		if (i & 1)
			ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
		ASSERT_EQ(0, dbg_suspend(&self->q[0]));
		if (!(i & 1))
			ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
		start_destroy(_metadata, &d, &self->q[0]);
		EXPECT_EQ(-EBUSY, kfd_queue_preempt(&self->q[0], SAVE, 0));
		EXPECT_EQ(-EBUSY, kfd_queue_resume(&self->q[0]));
		EXPECT_EQ(PREEMPTED, queue_state(&self->q[0]));
		kfd_job_release(&self->job[0]);
		EXPECT_TRUE(i & 2 ? kill_child(dbg_pid) : !dbg_resume(&self->q[0]));
		end_destroy(_metadata, &d);
		if (!(i & 2))
			EXPECT_TRUE(quit_debugger());
		EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
	}
	start_waiting(_metadata, self, 1, 7);
	finish_waiting(_metadata, self, 1);
}

/* What the debugger sees of a preempted queue is what it sees of any that is off */
KFD_TEST(snapshot_preempted)
{
	struct kfd_context_save_area_header *header;
	struct kfd_queue *q = &self->q[0];
	struct kfd_wave_state ws;
	int i, n, found = -1;
	__u32 xcc;

	if (!kfd_has_gpreempt(&self->kfd))
		SKIP(return, "no CONFIG_HSA_AMD_GPREEMPT");
	start_waiting(_metadata, self, 0, 7);
	start_waiting(_metadata, self, 1, 7);
	ASSERT_EQ(0, kfd_queue_preempt(q, SAVE, 0));
	ASSERT_EQ(0, kfd_queue_wave_state(q, &ws));
	ASSERT_EQ(0, start_debugger(&self->kfd));
	n = tell(SNAPSHOT);
	EXPECT_EQ(2, n);
	for (i = 0; i < n && i < MAX_ENTRIES; i++)
		if (dbg->entry[i].queue_id == q->id)
			found = i;
	ASSERT_LE(0, found);
	EXPECT_EQ((uintptr_t)q->ring.cpu, dbg->entry[found].ring_base_address);
	EXPECT_EQ(q->ring_size, dbg->entry[found].ring_size);
	EXPECT_EQ((uintptr_t)q->cwsr.cpu, dbg->entry[found].ctx_save_restore_address);
	EXPECT_EQ(KFD_EC_MASK(EC_QUEUE_NEW), dbg->entry[found].exception_status);

	ASSERT_EQ(0, dbg_suspend(q));
	EXPECT_EQ(0, dbg->entry[found].exception_status);
	for (xcc = 0; xcc < self->kfd.gpu.xccs; xcc++) {
		header = (void *)((char *)q->cwsr.cpu + (size_t)xcc * self->kfd.gpu.cwsr_size);
		EXPECT_LT(0, ws.waves[xcc]);
		EXPECT_EQ(ws.ctl_stack[xcc], header->wave_state.control_stack_size);
		EXPECT_EQ(ws.waves[xcc], header->wave_state.wave_state_size);
	}
	ASSERT_EQ(0, tell(DETACH));
	EXPECT_EQ(PREEMPTED, queue_state(q));
	finish_waiting(_metadata, self, 1);
	stays_off(_metadata, self, 0);
	ASSERT_EQ(0, kfd_queue_resume(q));
	finish_waiting(_metadata, self, 0);
	EXPECT_TRUE(quit_debugger());
}

static bool may_monitor(struct kfd *kfd)
{
	return kfd_has_gpreempt(kfd) && !geteuid();
}

static void start_monitor(struct __test_metadata *_metadata, struct _test_data_kfd *self)
{
	__u32 i;

	for (i = 0; i <= KFD_IOC_GPREEMPT_PARAM_RANK; i++)
		ASSERT_EQ(0, kfd_gpreempt_get(&self->kfd, i, &self->param[i]));
	self->monitor = true;
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, KFD_IOC_GPREEMPT_PARAM_HOLDOFF_US, HOLDOFF_US));
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, KFD_IOC_GPREEMPT_PARAM_STARVATION_MS, NEVER_MS));
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, KFD_IOC_GPREEMPT_PARAM_ENABLE, 1));
}

/* A queue that the monitor holds is not the debugger's to put back, nor the reverse */
KFD_TEST(suspend_held)
{
	if (!may_monitor(&self->kfd))
		SKIP(return, "no CONFIG_HSA_AMD_GPREEMPT, or no CAP_SYS_ADMIN");
	start_waiting(_metadata, self, 1, 3);
	start_waiting(_metadata, self, 0, 11);
	start_monitor(_metadata, self);
	ASSERT_TRUE(wait_state(&self->q[1], PREEMPTED));
	ASSERT_EQ(0, start_debugger(&self->kfd));
	ASSERT_EQ(0, dbg_suspend(&self->q[1]));
	ASSERT_EQ(0, dbg_resume(&self->q[1]));
	stays_off(_metadata, self, 1);
	EXPECT_EQ(PREEMPTED, queue_state(&self->q[1]));
	finish_waiting(_metadata, self, 0);
	finish_waiting(_metadata, self, 1);

	start_waiting(_metadata, self, 1, 3);
	start_waiting(_metadata, self, 0, 11);
	ASSERT_TRUE(wait_state(&self->q[1], PREEMPTED));
	ASSERT_EQ(0, dbg_suspend(&self->q[1]));
	finish_waiting(_metadata, self, 0);
	ASSERT_TRUE(wait_state(&self->q[1], ACTIVE));
	stays_off(_metadata, self, 1);
	ASSERT_EQ(0, dbg_resume(&self->q[1]));
	finish_waiting(_metadata, self, 1);
	ASSERT_EQ(0, tell(DETACH));
	EXPECT_TRUE(quit_debugger());
}

/* A queue that the debugger keeps from running keeps nobody else from it */
KFD_TEST(suspend_high)
{
	if (!may_monitor(&self->kfd))
		SKIP(return, "no CONFIG_HSA_AMD_GPREEMPT, or no CAP_SYS_ADMIN");
	start_waiting(_metadata, self, 1, 3);
	start_waiting(_metadata, self, 0, 11);
	start_monitor(_metadata, self);
	ASSERT_TRUE(wait_state(&self->q[1], PREEMPTED));
	ASSERT_EQ(0, start_debugger(&self->kfd));
	ASSERT_EQ(0, dbg_suspend(&self->q[0]));
	ASSERT_TRUE(wait_state(&self->q[1], ACTIVE));
	ASSERT_EQ(0, dbg_resume(&self->q[0]));
	ASSERT_TRUE(wait_state(&self->q[1], PREEMPTED));
	ASSERT_EQ(0, tell(DETACH));
	stays_off(_metadata, self, 1);
	finish_waiting(_metadata, self, 0);
	finish_waiting(_metadata, self, 1);
	EXPECT_TRUE(quit_debugger());
}

/*
 * The monitor holds two queues. The upper one is suspended, too, and somebody
 * waits to destroy it: it will never run, and the lower one must.
 */
KFD_TEST(destroy_held)
{
	struct destroyer d;

	if (!may_monitor(&self->kfd))
		SKIP(return, "no CONFIG_HSA_AMD_GPREEMPT, or no CAP_SYS_ADMIN");
	start_waiting(_metadata, self, 2, 3);
	start_waiting(_metadata, self, 1, 5);
	start_waiting(_metadata, self, 0, 11);
	start_monitor(_metadata, self);
	ASSERT_TRUE(wait_state(&self->q[1], PREEMPTED));
	ASSERT_TRUE(wait_state(&self->q[2], PREEMPTED));
	ASSERT_EQ(0, start_debugger(&self->kfd));
	ASSERT_EQ(0, dbg_suspend(&self->q[1]));
	start_destroy(_metadata, &d, &self->q[1]);
	finish_waiting(_metadata, self, 0);
	ASSERT_TRUE(wait_state(&self->q[2], ACTIVE));
	finish_waiting(_metadata, self, 2);
	ASSERT_EQ(0, dbg_resume(&self->q[1]));
	end_destroy(_metadata, &d);
	EXPECT_EQ(0, kfd_job_sum(&self->job[1]));
	ASSERT_EQ(0, tell(DETACH));
	EXPECT_TRUE(quit_debugger());
}

TEST_HARNESS_MAIN
