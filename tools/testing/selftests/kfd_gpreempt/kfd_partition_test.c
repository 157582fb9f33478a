// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of several nodes at once: the partitions of a GPU in DPX, QPX or CPX
 * mode, or several GPUs. Each has a scheduler, counters and a monitor of its
 * own, and what happens on one of them is none of the others' business.
 */
#define KFD_OWN_FIXTURE
#include "kfd_gpreempt_test.h"

#define SAVE		KFD_IOC_PREEMPT_WAVEFRONT_SAVE
#define ENABLE		KFD_IOC_GPREEMPT_PARAM_ENABLE
#define INTERVAL_US	KFD_IOC_GPREEMPT_PARAM_INTERVAL_US
#define HOLDOFF_US	KFD_IOC_GPREEMPT_PARAM_HOLDOFF_US
#define STARVATION_MS	KFD_IOC_GPREEMPT_PARAM_STARVATION_MS
#define SLICE_US	KFD_IOC_GPREEMPT_PARAM_SLICE_US

#define ACTIVE		KFD_IOC_GPREEMPT_QUEUE_ACTIVE
#define PREEMPTED	KFD_IOC_GPREEMPT_QUEUE_PREEMPTED

#define MAX_NODES	8
#define NODE_TEST(name)	TEST_F_TIMEOUT(nodes, name, TEST_SECONDS)

FIXTURE(nodes)
{
	int n;
	struct kfd kfd[MAX_NODES];
	struct kfd_queue low[MAX_NODES], high[MAX_NODES];
	struct kfd_job low_job[MAX_NODES], high_job[MAX_NODES];
	long long violations;
	bool gpreempt;
	__u64 param[MAX_NODES][SLICE_US + 1];
};

FIXTURE_SETUP(nodes)
{
	__u32 i;
	int r;

	self->violations = kfd_mock_violations();
	ASSERT_TRUE(dead_have_left());
	while (self->n < MAX_NODES) {
		r = kfd_open_nth(&self->kfd[self->n], self->n);
		if (r == -ENODEV || r == -EACCES)
			break;
		ASSERT_EQ(0, r);
		self->n++;
	}
	if (self->n < 2)
		SKIP(return, "needs two nodes that are gfx94x");
	if (!kfd_has_gpreempt(&self->kfd[0]) || !kfd_module_param("cwsr_enable", 1))
		return;
	for (r = 0; r < self->n; r++)
		for (i = 0; i <= SLICE_US; i++)
			ASSERT_EQ(0, kfd_gpreempt_get(&self->kfd[r], i, &self->param[r][i]));
	self->gpreempt = true;
}

FIXTURE_TEARDOWN(nodes)
{
	__u32 i;
	int k;

	for (k = 0; self->gpreempt && geteuid() == 0 && k < self->n; k++)
		for (i = 0; i <= SLICE_US; i++)
			EXPECT_EQ(0, kfd_gpreempt_set(&self->kfd[k], i, self->param[k][i]));
	/* What the mock GPU has seen; without it both are -1 */
	EXPECT_EQ(self->violations, kfd_mock_violations());
}

/* The monitor of node k, with nothing that it does by time */
static void set_monitor(struct __test_metadata *_metadata, struct _test_data_nodes *self, int k,
			int enable)
{
	struct kfd *kfd = &self->kfd[k];

	ASSERT_EQ(0, kfd_gpreempt_set(kfd, INTERVAL_US, 5000));
	ASSERT_EQ(0, kfd_gpreempt_set(kfd, HOLDOFF_US, 10000));
	ASSERT_EQ(0, kfd_gpreempt_set(kfd, STARVATION_MS, NEVER_MS));
	ASSERT_EQ(0, kfd_gpreempt_set(kfd, SLICE_US, 10000));
	ASSERT_EQ(0, kfd_gpreempt_set(kfd, ENABLE, enable));
}

static struct kfd_ioctl_gpreempt_args counters(struct kfd *kfd)
{
	struct kfd_ioctl_gpreempt_args args;

	kfd_gpreempt_query(kfd, NULL, &args);
	return args;
}

/* A queue on each node, and on it waves that wait for kfd_job_release() */
static void start_low(struct __test_metadata *_metadata, struct _test_data_nodes *self)
{
	struct kfd_queue_opts opts = { .has_priority = true, .priority = 3 };
	int k;

	for (k = 0; k < self->n; k++) {
		struct kfd *kfd = &self->kfd[k];

		ASSERT_EQ(0, kfd_queue_create(kfd, &self->low[k], &opts));
		ASSERT_EQ(0, kfd_job_init(kfd, &self->low_job[k], GFX942_WAIT,
					  kfd->gpu.wave_slots, 1));
		kfd_job_submit(&self->low_job[k], &self->low[k]);
	}
	for (k = 0; k < self->n; k++)
		ASSERT_EQ(0, wait_launched(&self->low[k], 1));
}

static void create_high(struct __test_metadata *_metadata, struct _test_data_nodes *self)
{
	struct kfd_queue_opts opts = { .has_priority = true, .priority = 12 };
	int k;

	for (k = 0; k < self->n; k++)
		ASSERT_EQ(0, kfd_queue_create(&self->kfd[k], &self->high[k], &opts));
}

static void finish(struct __test_metadata *_metadata, struct kfd_job *job)
{
	kfd_job_release(job);
	ASSERT_EQ(0, kfd_job_wait(job, KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(job, 1));
}

NODE_TEST(all_at_once)
{
	int k, i;

	create_high(_metadata, self);
	for (k = 0; k < self->n; k++) {
		struct kfd_job *jobs[] = { &self->low_job[k], &self->high_job[k] };

		ASSERT_EQ(0, kfd_queue_create(&self->kfd[k], &self->low[k], NULL));
		for (i = 0; i < 2; i++) {
			ASSERT_EQ(0, kfd_job_init(&self->kfd[k], jobs[i], GFX942_COUNT,
						  self->kfd[k].gpu.wave_slots * 2 + 7 + k,
						  LOOPS_MS(1)));
			jobs[i]->overlap = i;
			kfd_job_submit_n(jobs[i], i ? &self->high[k] : &self->low[k], 5);
		}
	}
	for (k = 0; k < self->n; k++) {
		ASSERT_EQ(0, kfd_job_wait(&self->low_job[k], KFD_TIMEOUT_MS));
		ASSERT_EQ(0, kfd_job_wait(&self->high_job[k], KFD_TIMEOUT_MS));
		EXPECT_EQ(0, kfd_job_wrong(&self->low_job[k], 5));
		EXPECT_EQ(0, kfd_job_wrong(&self->high_job[k], 5));
	}
}

/* All nodes but one are full; that one is as free as ever */
NODE_TEST(room_of_its_own)
{
	int k;

	start_low(_metadata, self);
	create_high(_metadata, self);
	for (k = 0; k < self->n; k++) {
		finish(_metadata, &self->low_job[k]);
		ASSERT_EQ(0, kfd_job_init(&self->kfd[k], &self->high_job[k], GFX942_COUNT,
					  self->kfd[k].gpu.wave_slots, 1));
		kfd_job_submit(&self->high_job[k], &self->high[k]);
		ASSERT_EQ(0, kfd_job_wait(&self->high_job[k], KFD_TIMEOUT_MS));
		EXPECT_EQ(0, kfd_job_wrong(&self->high_job[k], 1));
	}
}

NODE_TEST(preempt_one)
{
	struct kfd_ioctl_gpreempt_args before[MAX_NODES], after;
	long long saves;
	int k, i;

	if (!self->gpreempt)
		SKIP(return, "no preemption");
	start_low(_metadata, self);
	for (k = 0; k < self->n; k++) {
		for (i = 0; i < self->n; i++)
			before[i] = counters(&self->kfd[i]);
		saves = kfd_mock_stat("saves");
		ASSERT_EQ(0, kfd_queue_preempt(&self->low[k], SAVE, 0));
		/* Waves were saved on the XCCs of this node and nowhere else */
		if (kfd_mock_present())
			EXPECT_EQ(saves + self->kfd[k].gpu.xccs, kfd_mock_stat("saves"));
		for (i = 0; i < self->n; i++) {
			EXPECT_EQ(i == k ? PREEMPTED : ACTIVE, queue_state(&self->low[i]));
			after = counters(&self->kfd[i]);
			EXPECT_EQ(before[i].preemptions + (i == k), after.preemptions);
			EXPECT_EQ(before[i].resumes, after.resumes);
		}
		ASSERT_EQ(0, kfd_queue_resume(&self->low[k]));
		for (i = 0; i < self->n; i++) {
			after = counters(&self->kfd[i]);
			EXPECT_EQ(before[i].resumes + (i == k), after.resumes);
		}
	}

	/* One stays off while the others end */
	ASSERT_EQ(0, kfd_queue_preempt(&self->low[1], SAVE, 0));
	kfd_job_release(&self->low_job[1]);
	for (k = 0; k < self->n; k++)
		if (k != 1)
			finish(_metadata, &self->low_job[k]);
	EXPECT_EQ(0, kfd_job_sum(&self->low_job[1]));
	ASSERT_EQ(0, kfd_queue_resume(&self->low[1]));
	finish(_metadata, &self->low_job[1]);
}

/* A queue is one of its own node only */
NODE_TEST(query_other_node)
{
	struct kfd_ioctl_gpreempt_args args;

	if (!self->gpreempt)
		SKIP(return, "no preemption");
	ASSERT_EQ(0, kfd_queue_create(&self->kfd[0], &self->low[0], NULL));
	EXPECT_EQ(0, kfd_gpreempt_query(&self->kfd[0], &self->low[0], &args));
	EXPECT_EQ(-EINVAL, kfd_gpreempt_query(&self->kfd[1], &self->low[0], &args));
}

static void start_high(struct __test_metadata *_metadata, struct _test_data_nodes *self, int k)
{
	ASSERT_EQ(0, kfd_job_init(&self->kfd[k], &self->high_job[k], GFX942_WAIT, 64, 1));
	kfd_job_submit(&self->high_job[k], &self->high[k]);
}

/* An inversion on one node, with the monitors of all of them looking on */
NODE_TEST(monitors)
{
	struct kfd_ioctl_gpreempt_args before[MAX_NODES], after;
	int k, i;

	if (!self->gpreempt)
		SKIP(return, "no preemption");
	if (geteuid())
		SKIP(return, "needs CAP_SYS_ADMIN");
	for (k = 0; k < self->n; k++)
		set_monitor(_metadata, self, k, 1);
	start_low(_metadata, self);
	create_high(_metadata, self);
	for (k = 0; k < self->n; k++) {
		for (i = 0; i < self->n; i++)
			before[i] = counters(&self->kfd[i]);
		start_high(_metadata, self, k);
		ASSERT_TRUE(wait_state(&self->low[k], PREEMPTED));
		/* Time for each monitor to do the same */
		usleep(50000);
		for (i = 0; i < self->n; i++) {
			after = counters(&self->kfd[i]);
			EXPECT_EQ(i == k ? PREEMPTED : ACTIVE, queue_state(&self->low[i]));
			EXPECT_EQ(before[i].preemptions + (i == k), after.preemptions);
			EXPECT_EQ(before[i].inversions + (i == k), after.inversions);
			EXPECT_LT(before[i].ticks, after.ticks);
		}
		finish(_metadata, &self->high_job[k]);
		ASSERT_TRUE(wait_state(&self->low[k], ACTIVE));
	}

	/* And on all of them */
	for (k = 0; k < self->n; k++)
		start_high(_metadata, self, k);
	for (k = 0; k < self->n; k++)
		ASSERT_TRUE(wait_state(&self->low[k], PREEMPTED));
	for (k = 0; k < self->n; k++) {
		EXPECT_EQ(0, kfd_job_sum(&self->low_job[k]));
		finish(_metadata, &self->high_job[k]);
	}
	for (k = 0; k < self->n; k++) {
		ASSERT_TRUE(wait_state(&self->low[k], ACTIVE));
		finish(_metadata, &self->low_job[k]);
	}
}

/* The monitor of one node is on, the same inversion is on all of them */
NODE_TEST(one_monitor)
{
	struct kfd_ioctl_gpreempt_args before[MAX_NODES];
	int k, on = self->n - 1;
	__u64 value;

	if (!self->gpreempt)
		SKIP(return, "no preemption");
	if (geteuid())
		SKIP(return, "needs CAP_SYS_ADMIN");
	for (k = 0; k < self->n; k++)
		set_monitor(_metadata, self, k, k == on);
	for (k = 0; k < self->n; k++) {
		ASSERT_EQ(0, kfd_gpreempt_get(&self->kfd[k], ENABLE, &value));
		EXPECT_EQ(k == on, value);
	}
	start_low(_metadata, self);
	create_high(_metadata, self);
	for (k = 0; k < self->n; k++) {
		before[k] = counters(&self->kfd[k]);
		start_high(_metadata, self, k);
	}
	ASSERT_TRUE(wait_state(&self->low[on], PREEMPTED));
	usleep(50000);
	for (k = 0; k < self->n; k++) {
		EXPECT_EQ(k == on ? PREEMPTED : ACTIVE, queue_state(&self->low[k]));
		if (k != on)
			EXPECT_EQ(before[k].ticks, counters(&self->kfd[k]).ticks);
	}
	finish(_metadata, &self->high_job[on]);
	ASSERT_TRUE(wait_state(&self->low[on], ACTIVE));
	for (k = 0; k < self->n; k++) {
		kfd_job_release(&self->low_job[k]);
		if (k != on)
			kfd_job_release(&self->high_job[k]);
	}
	for (k = 0; k < self->n; k++) {
		finish(_metadata, &self->low_job[k]);
		finish(_metadata, &self->high_job[k]);
	}
}

static int child_node, child_nodes;

/* Works on one node, is preempted now and then, and hears of the end by an event */
static void node_child(struct shared *s)
{
	struct kfd_queue q[2];
	struct kfd_job job[2];
	struct kfd_event ev;
	struct kfd kfd;
	int i;

	CHILD_CHECK(!kfd_open_nth(&kfd, child_node));
	CHILD_CHECK(!kfd_event_create(&kfd, &ev));
	for (i = 0; i < 2; i++) {
		CHILD_CHECK(!kfd_queue_create(&kfd, &q[i], NULL));
		CHILD_CHECK(!kfd_job_init(&kfd, &job[i], GFX942_COUNT, kfd.gpu.wave_slots + 5,
					  LOOPS_MS(2)));
	}
	__atomic_add_fetch(&s->value[0], 1, __ATOMIC_SEQ_CST);
	CHILD_CHECK(wait_step(s, 1));
	for (i = 0; i < 2; i++)
		kfd_job_submit_n(&job[i], &q[i], 5);
	for (i = 0; i < 10 && s->value[1]; i++) {
		CHILD_CHECK(!kfd_queue_preempt(&q[i & 1], SAVE, 0));
		usleep(rand() % 2000);
		CHILD_CHECK(!kfd_queue_resume(&q[i & 1]));
	}
	for (i = 0; i < 2; i++) {
		CHILD_CHECK(!kfd_job_wait(&job[i], KFD_TIMEOUT_MS));
		CHILD_CHECK(!kfd_job_wrong(&job[i], 5));
	}
	kfd_event_attach(&kfd, &ev, job[0].signal);
	kfd_job_submit(&job[0], &q[0]);
	CHILD_CHECK(!kfd_event_wait(&kfd, &ev, KFD_TIMEOUT_MS));
	CHILD_CHECK(!kfd_job_wrong(&job[0], 6));
}

/* A process for each node. Nodes may share a range of VMIDs, not address spaces */
NODE_TEST(processes)
{
	struct shared *s = shared_page();
	pid_t pid[MAX_NODES];
	int k;

	ASSERT_NE(NULL, s);
	s->value[1] = self->gpreempt;
	for (k = 0; k < self->n; k++) {
		child_node = k;
		pid[k] = start_child(NULL, node_child, s);
		ASSERT_LT(0, pid[k]);
	}
	EXPECT_TRUE(wait_value(&s->value[0], self->n));
	set_step(s, 1);
	for (k = 0; k < self->n; k++)
		EXPECT_TRUE(end_child(pid[k]));
}

static void stuck_child(struct shared *s)
{
	struct kfd_queue q[MAX_NODES][2];
	struct kfd kfd[MAX_NODES];
	struct kfd_job job;
	int k, i;

	for (k = 0; k < child_nodes; k++) {
		CHILD_CHECK(!kfd_open_nth(&kfd[k], k));
		CHILD_CHECK(!kfd_job_init(&kfd[k], &job, GFX942_WAIT, 64, 1));
		for (i = 0; i < 2; i++) {
			CHILD_CHECK(!kfd_queue_create(&kfd[k], &q[k][i], NULL));
			kfd_job_submit(&job, &q[k][i]);
			CHILD_CHECK(!wait_launched(&q[k][i], 1));
		}
		if (s->value[1])
			CHILD_CHECK(!kfd_queue_preempt(&q[k][0], SAVE, 0));
	}
	set_step(s, 1);
	pause();
}

/* A process is killed that has, on several nodes, a queue that runs and a preempted one */
NODE_TEST(kill)
{
	struct shared *s = shared_page();
	pid_t pid;
	int k;

	ASSERT_NE(NULL, s);
	s->value[1] = self->gpreempt;
	start_low(_metadata, self);
	/* Without HWS each process needs a VMID for each node: half of them will do */
	child_nodes = (self->n + 1) / 2;
	pid = start_child(NULL, stuck_child, s);
	ASSERT_LT(0, pid);
	EXPECT_TRUE(wait_step(s, 1));
	EXPECT_TRUE(kill_child(pid));
	for (k = 0; k < self->n; k++)
		finish(_metadata, &self->low_job[k]);
}

/* Needs the mock GPU: the whole GPU goes to sleep and comes back */
NODE_TEST(suspend)
{
	int k, off = self->n - 1;

	if (!self->gpreempt)
		SKIP(return, "no preemption");
	if (!kfd_mock_present())
		SKIP(return, "needs the mock GPU");
	start_low(_metadata, self);
	ASSERT_EQ(0, kfd_queue_preempt(&self->low[off], SAVE, 0));
	ASSERT_EQ(0, kfd_mock_write("suspend", "1"));
	kfd_job_release(&self->low_job[off]);
	for (k = 0; k < off; k++)
		finish(_metadata, &self->low_job[k]);
	EXPECT_EQ(PREEMPTED, queue_state(&self->low[off]));
	EXPECT_EQ(0, kfd_job_sum(&self->low_job[off]));
	ASSERT_EQ(0, kfd_queue_resume(&self->low[off]));
	finish(_metadata, &self->low_job[off]);
}

TEST_HARNESS_MAIN
