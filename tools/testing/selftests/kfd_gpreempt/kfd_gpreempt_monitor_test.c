// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of the monitor, which preempts by priority: whom it takes off and when
 * it puts it back, that it starves nobody, and that no memory of a process can
 * hold it up. Nothing is asserted about times that a slow machine could miss.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <linux/userfaultfd.h>

#include "kfd_gpreempt_test.h"

#define SAVE		KFD_IOC_PREEMPT_WAVEFRONT_SAVE
#define ENABLE		KFD_IOC_GPREEMPT_PARAM_ENABLE
#define INTERVAL_US	KFD_IOC_GPREEMPT_PARAM_INTERVAL_US
#define HOLDOFF_US	KFD_IOC_GPREEMPT_PARAM_HOLDOFF_US
#define STARVATION_MS	KFD_IOC_GPREEMPT_PARAM_STARVATION_MS
#define SLICE_US	KFD_IOC_GPREEMPT_PARAM_SLICE_US
#define POLICY		KFD_IOC_GPREEMPT_PARAM_POLICY
#define AGING_MS	KFD_IOC_GPREEMPT_PARAM_AGING_MS
#define TURN_US		KFD_IOC_GPREEMPT_PARAM_TURN_US
#define RANK		KFD_IOC_GPREEMPT_PARAM_RANK

#define ACTIVE		KFD_IOC_GPREEMPT_QUEUE_ACTIVE
#define PREEMPTED	KFD_IOC_GPREEMPT_QUEUE_PREEMPTED

FIXTURE_SETUP(kfd)
{
	const char *why;

	why = setup_monitor(_metadata, self);
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, ENABLE, 1));
	set_params(_metadata, self);
}

static struct kfd_ioctl_gpreempt_args counters(struct _test_data_kfd *self)
{
	struct kfd_ioctl_gpreempt_args args;

	kfd_gpreempt_query(&self->kfd, NULL, &args);
	return args;
}

static bool wait_preemptions(struct _test_data_kfd *self, __u64 n)
{
	__u64 end = kfd_now_us() + KFD_TIMEOUT_MS * 1000ull;

	while (counters(self).preemptions < n) {
		if (kfd_now_us() > end)
			return false;
		usleep(1000);
	}
	return true;
}

static void low_child(struct shared *s)
{
	struct kfd_queue_opts opts = { .has_priority = true, .priority = 3 };
	struct kfd_ioctl_gpreempt_args args;
	struct kfd_queue q;
	struct kfd_job job;
	struct kfd kfd;

	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(!kfd_queue_create(&kfd, &q, &opts));
	CHILD_CHECK(!kfd_job_init(&kfd, &job, GFX942_WAIT, kfd.gpu.wave_slots, 1));
	kfd_job_submit(&job, &q);
	CHILD_CHECK(!wait_launched(&q, 1));
	set_step(s, 1);
	/* The other one has had its answers */
	CHILD_CHECK(wait_step(s, 2));
	CHILD_CHECK(!kfd_job_sum(&job));
	CHILD_CHECK(wait_state(&q, ACTIVE));
	kfd_job_release(&job);
	CHILD_CHECK(!kfd_job_wait(&job, KFD_TIMEOUT_MS));
	CHILD_CHECK(!kfd_job_wrong(&job, 1));
	CHILD_CHECK(!kfd_gpreempt_query(&kfd, &q, &args));
	CHILD_CHECK(args.queue_preemptions > 0);
}

/*
 * A process fills the device and does not end by itself. Requests of another
 * one, of a higher priority, are served all the same.
 */
KFD_TEST(two_processes)
{
	struct shared *s = shared_page();
	__u64 start, us, worst = 0;
	pid_t pid;
	int i;

	ASSERT_NE(NULL, s);
	pid = start_child(&self->kfd, low_child, s);
	ASSERT_LT(0, pid);
	ASSERT_TRUE(wait_step(s, 1));
	create(_metadata, self, 0, 12);
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[0], GFX942_COUNT, 64, LOOPS_MS(1)));
	for (i = 1; i <= 5; i++) {
		start = kfd_now_us();
		kfd_job_submit_n(&self->job[0], &self->q[0], 5);
		EXPECT_EQ(0, kfd_job_wait(&self->job[0], KFD_TIMEOUT_MS));
		us = kfd_now_us() - start;
		if (us > worst)
			worst = us;
		EXPECT_EQ(0, kfd_job_wrong(&self->job[0], i * 5));
		usleep(50000);
	}
	TH_LOG("longest answer: %llu us", (unsigned long long)worst);
	set_step(s, 2);
	EXPECT_TRUE(end_child(pid));
	EXPECT_LT(0, counters(self).preemptions);
	EXPECT_LT(0, counters(self).inversions);
}

/*
 * The device is full, so no wave of the high one's single dispatch starts, and
 * yet it may have left the ring.
 */
KFD_TEST(preempts_and_resumes)
{
	struct kfd_ioctl_gpreempt_args args;

	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	occupy(_metadata, self, 0, self->kfd.gpu.wave_slots);
	ASSERT_EQ(0, wait_launched(&self->q[0], 1));
	occupy(_metadata, self, 1, 64);
	ASSERT_TRUE(wait_state(&self->q[0], PREEMPTED));
	ASSERT_EQ(0, kfd_gpreempt_query(&self->kfd, &self->q[0], &args));
	EXPECT_EQ(KFD_IOC_GPREEMPT_HOLDER_MONITOR, args.queue_holder);
	EXPECT_EQ(1, args.queue_preemptions);
	/* It stays off while the high one works, also when it has nothing pending */
	usleep(100000);
	EXPECT_EQ(PREEMPTED, queue_state(&self->q[0]));
	EXPECT_EQ(ACTIVE, queue_state(&self->q[1]));
	finish(_metadata, self, 1);
	ASSERT_TRUE(wait_state(&self->q[0], ACTIVE));
	finish(_metadata, self, 0);
}

KFD_TEST(off)
{
	struct kfd_ioctl_gpreempt_args before;

	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, ENABLE, 0));
	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	before = counters(self);
	occupy(_metadata, self, 0, self->kfd.gpu.wave_slots);
	ASSERT_EQ(0, wait_launched(&self->q[0], 1));
	occupy(_metadata, self, 1, 64);
	usleep(100000);
	EXPECT_EQ(before.preemptions, counters(self).preemptions);
	EXPECT_EQ(before.ticks, counters(self).ticks);
	EXPECT_EQ(ACTIVE, queue_state(&self->q[0]));
	kfd_job_release(&self->job[1]);
	EXPECT_EQ(0, kfd_job_sum(&self->job[1]));
	finish(_metadata, self, 0);
	finish(_metadata, self, 1);
}

KFD_TEST(switch_off_resumes)
{
	int i;

	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	occupy(_metadata, self, 0, self->kfd.gpu.wave_slots / 2);
	ASSERT_EQ(0, wait_launched(&self->q[0], 1));
	occupy(_metadata, self, 1, 64);
	for (i = 0; i < 3; i++) {
		ASSERT_TRUE(wait_state(&self->q[0], PREEMPTED));
		ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, ENABLE, 0));
		EXPECT_TRUE(wait_state(&self->q[0], ACTIVE));
		ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, ENABLE, 1));
	}
	finish(_metadata, self, 1);
	finish(_metadata, self, 0);
}

KFD_TEST(switch_under_load)
{
	int i;

	for (i = 0; i < 4; i++) {
		create(_metadata, self, i, i * 4);
		ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[i], GFX942_COUNT, 300,
					  LOOPS_MS(1)));
		kfd_job_submit_n(&self->job[i], &self->q[i], 20);
	}
	for (i = 0; i < 20; i++) {
		usleep(rand() % 10000);
		ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, ENABLE, i & 1));
	}
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, kfd_job_wait(&self->job[i], KFD_TIMEOUT_MS));
		EXPECT_EQ(0, kfd_job_wrong(&self->job[i], 20));
	}
}

KFD_TEST(equal_priorities)
{
	struct kfd_ioctl_gpreempt_args before = counters(self);
	int i;

	for (i = 0; i < 3; i++) {
		create(_metadata, self, i, 7);
		occupy(_metadata, self, i, self->kfd.gpu.wave_slots / 4);
	}
	usleep(100000);
	EXPECT_EQ(before.preemptions, counters(self).preemptions);
	for (i = 0; i < 3; i++)
		finish(_metadata, self, i);
}

/* A high queue without work is in nobody's way, and nobody in its */
KFD_TEST(idle_high)
{
	struct kfd_ioctl_gpreempt_args before;

	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[1], GFX942_COUNT, 10, 1));
	kfd_job_submit(&self->job[1], &self->q[1]);
	ASSERT_EQ(0, kfd_job_wait(&self->job[1], KFD_TIMEOUT_MS));
	/* What has just moved may be taken for busy for a while */
	usleep(200000);
	before = counters(self);
	occupy(_metadata, self, 0, 100);
	usleep(100000);
	EXPECT_EQ(before.preemptions, counters(self).preemptions);
	EXPECT_LT(before.ticks, counters(self).ticks);
	finish(_metadata, self, 0);
}

/* A high queue that has had work, and a low one that fills the device */
static void idle_beside_full(struct __test_metadata *_metadata, struct _test_data_kfd *self)
{
	create(_metadata, self, 0, 15);
	create(_metadata, self, 1, 3);
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[0], GFX942_COUNT, 10, 1));
	kfd_job_submit(&self->job[0], &self->q[0]);
	ASSERT_EQ(0, kfd_job_wait(&self->job[0], KFD_TIMEOUT_MS));
	usleep(200000);
	occupy(_metadata, self, 1, self->kfd.gpu.wave_slots);
	ASSERT_EQ(0, wait_launched(&self->q[1], 1));
}

/* It has not started anything because it comes back, or because others come */
KFD_TEST(idle_high_again)
{
	struct kfd_queue_opts low = { .has_priority = true, .priority = 3,
				      .cwsr = KFD_CWSR_VRAM };
	__u64 before;
	int i;

	/* Keeps the monitor awake without the high one */
	create(_metadata, self, 2, 5);
	idle_beside_full(_metadata, self);
	before = counters(self).preemptions;
	for (i = 0; i < 3; i++) {
		self->q[0].percent = 0;
		ASSERT_EQ(0, kfd_queue_update(&self->q[0]));
		usleep(20000);
		self->q[0].percent = 100;
		ASSERT_EQ(0, kfd_queue_update(&self->q[0]));
		usleep(20000);
	}
	EXPECT_EQ(before, counters(self).preemptions);
	for (i = 3; i < 20; i++)
		ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[i], &low));
	usleep(50000);
	EXPECT_EQ(before, counters(self).preemptions);
	finish(_metadata, self, 1);
}

/* Dispatches that find room and end are no reason, if there is room for sure */
KFD_TEST(short_beside_small)
{
	__u64 before;
	int i;

	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	occupy(_metadata, self, 0, self->kfd.gpu.xccs);
	ASSERT_EQ(0, wait_launched(&self->q[0], 1));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[1], GFX942_COUNT, 8, 1));
	before = counters(self).preemptions;
	for (i = 0; i < 40; i++) {
		kfd_job_submit(&self->job[1], &self->q[1]);
		ASSERT_EQ(0, kfd_job_wait(&self->job[1], KFD_TIMEOUT_MS));
		usleep(20000);
	}
	EXPECT_EQ(0, kfd_job_wrong(&self->job[1], 40));
	/* Some looks meet a packet or its waves, on a slow machine more of them */
	EXPECT_GT(before + 30, counters(self).preemptions);
	finish(_metadata, self, 0);
}

/* The low queue's work ends although the high one has packets all the time */
static void low_ends(struct __test_metadata *_metadata, struct _test_data_kfd *self)
{
	ASSERT_EQ(0, kfd_job_wait(&self->job[0], KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(&self->job[0], 1));
}

static void low_goes_on(struct __test_metadata *_metadata, struct _test_data_kfd *self)
{
	struct kfd_ioctl_gpreempt_args args;

	low_ends(_metadata, self);
	/* Once was enough to find out */
	ASSERT_EQ(0, kfd_gpreempt_query(&self->kfd, &self->q[0], &args));
	EXPECT_EQ(1, args.queue_preemptions);
}

/* What the high one waited for has come: it has its rights again */
static void high_goes_on(struct __test_metadata *_metadata, struct _test_data_kfd *self)
{
	ASSERT_EQ(0, kfd_job_wait(&self->job[1], KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(&self->job[1], 1));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[2], GFX942_WAIT,
				  self->kfd.gpu.wave_slots, 1));
	kfd_job_submit(&self->job[2], &self->q[0]);
	ASSERT_EQ(0, wait_launched(&self->q[0], 2));
	kfd_job_submit(&self->job[1], &self->q[1]);
	ASSERT_EQ(0, kfd_job_wait(&self->job[1], KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(&self->job[1], 2));
	finish(_metadata, self, 2);
}

static void prepare_blocked(struct __test_metadata *_metadata, struct _test_data_kfd *self)
{
	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[0], GFX942_COUNT,
				  self->kfd.gpu.wave_slots, LOOPS_MS(200)));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[1], GFX942_COUNT, 64, LOOPS_MS(1)));
	kfd_job_submit(&self->job[0], &self->q[0]);
	ASSERT_EQ(0, wait_launched(&self->q[0], 1));
}

/* The high queue waits for the low one, which is off for its sake */
KFD_TEST(blocked_by_signal)
{
	struct kfd_signal *deps[1];
	__u64 start;

	prepare_blocked(_metadata, self);
	deps[0] = self->job[0].signal;
	ASSERT_EQ(0, kfd_queue_barrier(&self->q[1], AQL_BARRIER_AND, deps, 1, NULL));
	kfd_job_submit(&self->job[1], &self->q[1]);
	ASSERT_TRUE(wait_state(&self->q[0], PREEMPTED));
	start = kfd_now_us();
	ASSERT_TRUE(wait_state(&self->q[0], ACTIVE));
	/* The next looks see why, and the hold-off passes */
	EXPECT_GT(start + 80000, kfd_now_us());
	low_goes_on(_metadata, self);
	high_goes_on(_metadata, self);
}

/* Not mapped all the time, as there are more queues than the device has room for */
KFD_TEST(blocked_crowded)
{
	struct kfd_signal *deps[1];
	int i;

	if (kfd_no_hws())
		SKIP(return, "without HWS all queues are mapped");
	prepare_blocked(_metadata, self);
	for (i = 2; i < 32; i++)
		create(_metadata, self, i, 3);
	deps[0] = self->job[0].signal;
	ASSERT_EQ(0, kfd_queue_barrier(&self->q[1], AQL_BARRIER_AND, deps, 1, NULL));
	kfd_job_submit(&self->job[1], &self->q[1]);
	ASSERT_TRUE(wait_state(&self->q[0], PREEMPTED));
	low_ends(_metadata, self);
	high_goes_on(_metadata, self);
}

/* Its owner takes its time to write the packet that is announced */
KFD_TEST(blocked_by_owner)
{
	union aql_packet invalid = { .header = AQL_INVALID };

	prepare_blocked(_metadata, self);
	ASSERT_EQ(0, kfd_queue_put(&self->q[1], &invalid));
	kfd_job_submit(&self->job[1], &self->q[1]);
	ASSERT_TRUE(wait_state(&self->q[0], PREEMPTED));
	low_goes_on(_metadata, self);
	__atomic_store_n((__u16 *)self->q[1].ring.cpu, AQL_BARRIER_AND, __ATOMIC_RELEASE);
	high_goes_on(_metadata, self);
}

/* With one level there can be no inversion: nothing to wake up for */
KFD_TEST(sleeps)
{
	struct kfd_ioctl_gpreempt_args before;

	if (!kfd_mock_present())
		SKIP(return, "others may use the GPU");
	create(_metadata, self, 0, 12);
	create(_metadata, self, 1, 12);
	occupy(_metadata, self, 0, 100);
	usleep(200000);
	before = counters(self);
	usleep(200000);
	EXPECT_EQ(before.ticks, counters(self).ticks);
	/* An update wakes it up */
	self->q[1].priority = 3;
	ASSERT_EQ(0, kfd_queue_update(&self->q[1]));
	usleep(200000);
	EXPECT_LT(before.ticks, counters(self).ticks);
	finish(_metadata, self, 0);
}

/* The level in the middle waits for the one above and displaces the one below */
KFD_TEST(three_levels)
{
	int i;

	for (i = 0; i < 3; i++)
		create(_metadata, self, i, 3 + i * 4);
	occupy(_metadata, self, 0, self->kfd.gpu.wave_slots / 2);
	ASSERT_EQ(0, wait_launched(&self->q[0], 1));
	occupy(_metadata, self, 1, 100);
	ASSERT_TRUE(wait_state(&self->q[0], PREEMPTED));
	ASSERT_EQ(0, wait_launched(&self->q[1], 1));
	occupy(_metadata, self, 2, 100);
	ASSERT_TRUE(wait_state(&self->q[1], PREEMPTED));
	EXPECT_EQ(PREEMPTED, queue_state(&self->q[0]));
	finish(_metadata, self, 2);
	ASSERT_TRUE(wait_state(&self->q[1], ACTIVE));
	usleep(50000);
	/* Where the restore takes longer than the hold-off it may have been on in between */
	EXPECT_TRUE(wait_state(&self->q[0], PREEMPTED));
	finish(_metadata, self, 1);
	ASSERT_TRUE(wait_state(&self->q[0], ACTIVE));
	finish(_metadata, self, 0);
}

static void all_at_once(struct __test_metadata *_metadata, struct _test_data_kfd *self,
			int victims)
{
	long long before;
	int i;

	/* Longer than the slowest kernel takes between two looks */
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, HOLDOFF_US, 1000000));
	for (i = 0; i < victims; i++) {
		create(_metadata, self, i, 3);
		/* The one that is released last must not keep the others out */
		occupy(_metadata, self, i, self->kfd.gpu.wave_slots / (victims + 1));
		ASSERT_EQ(0, wait_launched(&self->q[i], 1));
	}
	create(_metadata, self, victims, 12);
	/* Once before: of what is new to it, the monitor expects anything */
	occupy(_metadata, self, victims, 64);
	for (i = 0; i < victims; i++)
		ASSERT_TRUE(wait_state(&self->q[i], PREEMPTED));
	finish(_metadata, self, victims);
	for (i = 0; i < victims; i++)
		ASSERT_TRUE(wait_state(&self->q[i], ACTIVE));
	usleep(100000);
	before = kfd_mock_stat("hiq_run_list");
	occupy(_metadata, self, victims, 64);
	for (i = 0; i < victims; i++)
		ASSERT_TRUE(wait_state(&self->q[i], PREEMPTED));
	/* The firmware may read it a little later */
	for (i = 0; i < 1000 && kfd_mock_stat("hiq_run_list") == before; i++)
		usleep(1000);
	usleep(20000);
	EXPECT_EQ(before + 1, kfd_mock_stat("hiq_run_list"));
	for (i = victims; i >= 0; i--)
		finish(_metadata, self, i);
	EXPECT_EQ(before + 2, kfd_mock_stat("hiq_run_list"));
}

/* All victims of a tick go with one runlist */
KFD_TEST(one_runlist)
{
	if (kfd_no_hws())
		SKIP(return, "no runlists without HWS");
	if (kfd_mock_stat("hiq_run_list") < 0)
		SKIP(return, "needs the mock GPU");
	all_at_once(_metadata, self, 7);
}

/* Also those that the scheduler has taken off to map others, with their waves */
KFD_TEST(one_runlist_crowded)
{
	if (kfd_no_hws())
		SKIP(return, "no runlists without HWS");
	if (kfd_mock_stat("hiq_run_list") < 0)
		SKIP(return, "needs the mock GPU");
	all_at_once(_metadata, self, 40);
}

/* While the high one never ends, the low one gets its slices */
KFD_TEST(starvation)
{
	struct kfd_ioctl_gpreempt_args args;
	struct kfd_job *low = &self->job[0];

	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, STARVATION_MS, 50));
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, SLICE_US, 20000));
	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	ASSERT_EQ(0, kfd_job_init(&self->kfd, low, GFX942_COUNT, 200, LOOPS_MS(60)));
	occupy(_metadata, self, 1, 100);
	ASSERT_EQ(0, wait_launched(&self->q[1], 1));
	kfd_job_submit(low, &self->q[0]);
	ASSERT_EQ(0, kfd_job_wait(low, KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(low, 1));
	ASSERT_EQ(0, kfd_gpreempt_query(&self->kfd, &self->q[0], &args));
	EXPECT_LE(1, args.queue_preemptions);
	EXPECT_EQ(0, kfd_job_sum(&self->job[1]));
	finish(_metadata, self, 1);
}

/* It does not get to its limit, but rises to the high one, and runs beside it */
KFD_TEST(aging)
{
	struct kfd_job *low = &self->job[0];
	struct kfd_ioctl_gpreempt_args args;

	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, POLICY, 1));
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, AGING_MS, 5));
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, SLICE_US, 1000000));
	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	ASSERT_EQ(0, kfd_job_init(&self->kfd, low, GFX942_COUNT, 200, LOOPS_MS(60)));
	occupy(_metadata, self, 1, 100);
	ASSERT_EQ(0, wait_launched(&self->q[1], 1));
	kfd_job_submit(low, &self->q[0]);
	ASSERT_EQ(0, kfd_job_wait(low, KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(low, 1));
	EXPECT_EQ(0, kfd_job_sum(&self->job[1]));
	/* A slice was enough, and the high one never had to go */
	ASSERT_EQ(0, kfd_gpreempt_query(&self->kfd, &self->q[0], &args));
	EXPECT_EQ(1, args.queue_preemptions);
	ASSERT_EQ(0, kfd_gpreempt_query(&self->kfd, &self->q[1], &args));
	EXPECT_EQ(0, args.queue_preemptions);
	finish(_metadata, self, 1);
}

/* Also if that one would take all there is, and more */
KFD_TEST(starvation_full)
{
	struct kfd_ioctl_gpreempt_args args;
	struct kfd_job *low = &self->job[0];

	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, STARVATION_MS, 50));
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, SLICE_US, 20000));
	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	ASSERT_EQ(0, kfd_job_init(&self->kfd, low, GFX942_COUNT, 200, LOOPS_MS(60)));
	occupy(_metadata, self, 1, 2 * self->kfd.gpu.wave_slots);
	ASSERT_EQ(0, wait_launched(&self->q[1], 1));
	kfd_job_submit(low, &self->q[0]);
	ASSERT_EQ(0, kfd_job_wait(low, KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(low, 1));
	ASSERT_EQ(0, kfd_gpreempt_query(&self->kfd, &self->q[0], &args));
	EXPECT_LE(1, args.queue_preemptions);
	EXPECT_EQ(0, kfd_job_sum(&self->job[1]));
	EXPECT_TRUE(wait_state(&self->q[1], ACTIVE));
	finish(_metadata, self, 1);
}

/* Return: how many of the first n are active at the same time */
static int active_at_once(struct _test_data_kfd *self, int n)
{
	__u64 turn;
	int i, active;

	do {
		turn = counters(self).resumes;
		for (i = 0, active = 0; i < n; i++)
			active += queue_state(&self->q[i]) == ACTIVE;
		/* Else some were of one turn, some of the next */
	} while (counters(self).resumes != turn);

	return active;
}

/* More of one level than there is room for: all have their turn, none is on without a place */
KFD_TEST(turns)
{
	struct kfd_ioctl_gpreempt_args args;
	/* With several CPUs the mock may be late to restore waves: places look free */
	bool late = sysconf(_SC_NPROCESSORS_ONLN) > 1;
	int n = self->kfd.gpu.queue_slots + 8;
	int i, looks = 0, active, most = 0;
	__u64 end;

	if (kfd_no_hws())
		SKIP(return, "without HWS all queues are mapped");
	ASSERT_LE(n, (int)ARRAY_SIZE(self->q));
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, TURN_US, 20000));
	for (i = 0; i < n; i++)
		create(_metadata, self, i, 7);
	for (i = 0; i < n; i++)
		occupy(_metadata, self, i, self->kfd.gpu.wave_slots / n);
	end = kfd_now_us() + KFD_TIMEOUT_MS * 1000ull;
	for (i = 0; i < n; i++) {
		do {
			ASSERT_GT(end, kfd_now_us());
			usleep(1000);
			ASSERT_EQ(0, kfd_gpreempt_query(&self->kfd, &self->q[i], &args));
		} while (!args.queue_preemptions);
	}
	while (looks < 20) {
		ASSERT_GT(end, kfd_now_us());
		active = active_at_once(self, n);
		if (late && active > (int)self->kfd.gpu.queue_slots) {
			looks = 0;
		} else {
			looks++;
			if (active > most)
				most = active;
		}
		usleep(7000);
	}
	TH_LOG("of %d queues %d were active at most", n, most);
	EXPECT_GE((int)self->kfd.gpu.queue_slots, most);
	for (i = 0; i < n; i++)
		kfd_job_release(&self->job[i]);
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, kfd_job_wait(&self->job[i], KFD_TIMEOUT_MS));
		EXPECT_EQ(0, kfd_job_wrong(&self->job[i], 1));
	}
}

KFD_TEST(random_load)
{
	struct kfd_job *high = &self->job[4];
	int i;

	for (i = 0; i < 4; i++) {
		create(_metadata, self, i, i);
		ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[i], GFX942_COUNT,
					  self->kfd.gpu.wave_slots / 2 + 5 * i, LOOPS_MS(5)));
		self->job[i].overlap = i & 1;
		kfd_job_submit_n(&self->job[i], &self->q[i], 8);
	}
	create(_metadata, self, 4, 15);
	ASSERT_EQ(0, kfd_job_init(&self->kfd, high, GFX942_COUNT, 64, LOOPS_MS(1)));
	for (i = 1; i <= 20; i++) {
		kfd_job_submit_n(high, &self->q[4], 3);
		ASSERT_EQ(0, kfd_job_wait(high, KFD_TIMEOUT_MS));
		usleep(rand() % 20000);
	}
	EXPECT_EQ(0, kfd_job_wrong(high, 60));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, kfd_job_wait(&self->job[i], KFD_TIMEOUT_MS));
		EXPECT_EQ(0, kfd_job_wrong(&self->job[i], 8));
	}
}

/* Who preempted it is remembered, and both can hold a queue */
KFD_TEST(holders)
{
	struct kfd_ioctl_gpreempt_args args;

	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	occupy(_metadata, self, 0, 100);
	ASSERT_EQ(0, wait_launched(&self->q[0], 1));
	occupy(_metadata, self, 1, 100);
	ASSERT_TRUE(wait_state(&self->q[0], PREEMPTED));
	EXPECT_EQ(-EBUSY, kfd_queue_resume(&self->q[0]));
	EXPECT_EQ(PREEMPTED, queue_state(&self->q[0]));
	EXPECT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	ASSERT_EQ(0, kfd_gpreempt_query(&self->kfd, &self->q[0], &args));
	EXPECT_EQ(KFD_IOC_GPREEMPT_HOLDER_IOCTL, args.queue_holder);
	/* The monitor does not take it from the ioctl's hands */
	finish(_metadata, self, 1);
	usleep(100000);
	EXPECT_EQ(PREEMPTED, queue_state(&self->q[0]));
	EXPECT_EQ(0, kfd_queue_resume(&self->q[0]));
	EXPECT_TRUE(wait_state(&self->q[0], ACTIVE));
	finish(_metadata, self, 0);
}

KFD_TEST(bounds)
{
	static const __u64 never[][2] = {
		{ ENABLE, 2 }, { ENABLE, ~0ull },
		{ INTERVAL_US, 0 }, { INTERVAL_US, ~0ull }, { INTERVAL_US, 1ull << 32 | 5000 },
		{ HOLDOFF_US, ~0ull }, { STARVATION_MS, 0 }, { STARVATION_MS, ~0ull },
		{ SLICE_US, 0 }, { SLICE_US, ~0ull }, { POLICY, 2 }, { AGING_MS, 0 },
		{ AGING_MS, ~0ull }, { TURN_US, 1 }, { TURN_US, ~0ull }, { RANK, 2 },
		{ RANK + 1, 1 }, { 0xffffffff, 1 },
	};
	__u64 value;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(never); i++)
		EXPECT_EQ(-EINVAL, kfd_gpreempt_set(&self->kfd, never[i][0], never[i][1]));
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, INTERVAL_US, 1234));
	ASSERT_EQ(0, kfd_gpreempt_get(&self->kfd, INTERVAL_US, &value));
	EXPECT_EQ(1234, value);
	ASSERT_EQ(0, kfd_gpreempt_get(&self->kfd, ENABLE, &value));
	EXPECT_EQ(1, value);
}

/* It does not wait for the end of a long one first */
KFD_TEST(interval)
{
	__u64 before;

	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, INTERVAL_US, 1000000));
	usleep(50000);
	before = counters(self).ticks;
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, INTERVAL_US, 1000));
	usleep(200000);
	EXPECT_LT(before + 5, counters(self).ticks);
}

static void no_capability(struct shared *s)
{
	struct kfd kfd;
	__u64 value;

	(void)s;
	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(!setresuid(65534, 65534, 65534));
	CHILD_CHECK(!kfd_gpreempt_get(&kfd, ENABLE, &value));
	CHILD_CHECK(kfd_gpreempt_set(&kfd, ENABLE, 0) == -EPERM);
	CHILD_CHECK(kfd_gpreempt_set(&kfd, INTERVAL_US, 1000) == -EPERM);
}

KFD_TEST(unprivileged)
{
	pid_t pid = start_child(&self->kfd, no_capability, NULL);

	ASSERT_LT(0, pid);
	EXPECT_TRUE(end_child(pid));
}

static void high_child(struct shared *s)
{
	struct kfd_queue_opts opts = { .has_priority = true, .priority = 15 };
	struct kfd_queue q;
	struct kfd_job job;
	struct kfd kfd;

	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(!kfd_queue_create(&kfd, &q, &opts));
	CHILD_CHECK(!kfd_job_init(&kfd, &job, GFX942_WAIT, 100, 1));
	kfd_job_submit(&job, &q);
	CHILD_CHECK(!wait_launched(&q, 1));
	set_step(s, 1);
	pause();
}

/* The one that was waited for is killed, and so is one that waits */
KFD_TEST(kill)
{
	struct shared *s = shared_page();
	pid_t high, low;
	int i;

	ASSERT_NE(NULL, s);
	create(_metadata, self, 0, 5);
	for (i = 0; i < 3; i++) {
		set_step(s, 0);
		low = start_child(&self->kfd, low_child, s);
		ASSERT_LT(0, low);
		EXPECT_TRUE(wait_step(s, 1));
		occupy(_metadata, self, 0, 100);
		set_step(s, 0);
		high = start_child(&self->kfd, high_child, s);
		ASSERT_LT(0, high);
		EXPECT_TRUE(wait_step(s, 1));
		EXPECT_TRUE(wait_state(&self->q[0], PREEMPTED));
		EXPECT_TRUE(kill_child(low));
		EXPECT_TRUE(kill_child(high));
		EXPECT_TRUE(wait_state(&self->q[0], ACTIVE));
		finish(_metadata, self, 0);
	}
}

/* A process that goes on without its main thread */
static struct {
	struct shared *s;
	pthread_t main;
	struct kfd kfd;
	struct kfd_queue q;
	struct kfd_job job;
} headless;

static void *survivor(void *arg)
{
	struct shared *s = headless.s;

	(void)arg;
	CHILD_CHECK(!pthread_join(headless.main, NULL));
	/* It has no address space any more soon after */
	usleep(20000);
	if (headless.job.kernel == GFX942_COUNT) {
		/* Several, so that there are some in the ring */
		kfd_job_submit_n(&headless.job, &headless.q, 5);
		CHILD_CHECK(!kfd_job_wait(&headless.job, KFD_TIMEOUT_MS));
		CHILD_CHECK(!kfd_job_wrong(&headless.job, 5));
		_exit(0);
	}
	kfd_job_submit(&headless.job, &headless.q);
	CHILD_CHECK(!wait_launched(&headless.q, 1));
	set_step(s, 1);
	CHILD_CHECK(wait_step(s, 2));
	CHILD_CHECK(wait_state(&headless.q, ACTIVE));
	kfd_job_release(&headless.job);
	CHILD_CHECK(!kfd_job_wait(&headless.job, KFD_TIMEOUT_MS));
	CHILD_CHECK(!kfd_job_wrong(&headless.job, 1));
	_exit(0);
}

static void headless_child(struct shared *s)
{
	struct kfd_queue_opts opts = { .has_priority = true, .priority = s->value[0] };
	int kernel = s->value[0] > 7 ? GFX942_COUNT : GFX942_WAIT;
	pthread_t thread;

	headless.s = s;
	headless.main = pthread_self();
	CHILD_CHECK(!kfd_open(&headless.kfd));
	CHILD_CHECK(!kfd_queue_create(&headless.kfd, &headless.q, &opts));
	CHILD_CHECK(!kfd_job_init(&headless.kfd, &headless.job, kernel, 100, 1));
	CHILD_CHECK(!pthread_create(&thread, NULL, survivor, NULL));
	pthread_exit(NULL);
}

KFD_TEST(main_thread_gone)
{
	struct shared *s = shared_page();
	__u64 before;
	pid_t pid;

	ASSERT_NE(NULL, s);
	create(_metadata, self, 0, 7);
	occupy(_metadata, self, 0, self->kfd.gpu.wave_slots);
	ASSERT_EQ(0, wait_launched(&self->q[0], 1));
	s->value[0] = 12;
	pid = start_child(&self->kfd, headless_child, s);
	ASSERT_LT(0, pid);
	EXPECT_TRUE(end_child(pid));
	EXPECT_TRUE(wait_state(&self->q[0], ACTIVE));
	finish(_metadata, self, 0);

	s->value[0] = 3;
	pid = start_child(&self->kfd, headless_child, s);
	ASSERT_LT(0, pid);
	EXPECT_TRUE(wait_step(s, 1));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[1], GFX942_WAIT,
				  self->kfd.gpu.wave_slots, 1));
	before = counters(self).preemptions;
	kfd_job_submit(&self->job[1], &self->q[0]);
	ASSERT_TRUE(wait_preemptions(self, before + 1));
	finish(_metadata, self, 1);
	set_step(s, 2);
	EXPECT_TRUE(end_child(pid));
}

/* Two queues that need the monitor, for when a third one is hostile */
static void prepare(struct __test_metadata *_metadata, struct _test_data_kfd *self)
{
	int i;

	for (i = 10; i < 12; i++) {
		create(_metadata, self, i, i == 10 ? 3 : 12);
		ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[i], GFX942_WAIT, 100, 1));
	}
}

/* Allocates nothing: that could fill a hole which is to be one */
static void served(struct __test_metadata *_metadata, struct _test_data_kfd *self)
{
	struct kfd_ioctl_gpreempt_args before = counters(self);

	kfd_job_submit(&self->job[10], &self->q[10]);
	ASSERT_EQ(0, wait_launched(&self->q[10], 1));
	kfd_job_submit(&self->job[11], &self->q[11]);
	ASSERT_TRUE(wait_state(&self->q[10], PREEMPTED));
	finish(_metadata, self, 11);
	EXPECT_TRUE(wait_state(&self->q[10], ACTIVE));
	finish(_metadata, self, 10);
	EXPECT_LT(before.ticks, counters(self).ticks);
}

/*
 * The owner takes the page of its pointers away. The device still sees it, but
 * whoever reads it for the owner must neither wait for a page nor make one.
 */
KFD_TEST(pointers_unmapped)
{
	create(_metadata, self, 0, 15);
	prepare(_metadata, self);
	ASSERT_EQ(0, munmap(self->q[0].ptrs.cpu, 4096));
	served(_metadata, self);
}

KFD_TEST(pointers_protected)
{
	create(_metadata, self, 0, 15);
	prepare(_metadata, self);
	ASSERT_EQ(0, mprotect(self->q[0].ptrs.cpu, 4096, PROT_NONE));
	served(_metadata, self);
}

KFD_TEST(pointers_not_faulted_in)
{
	unsigned char resident = 0;
	void *p;

	create(_metadata, self, 0, 15);
	prepare(_metadata, self);
	p = mmap(self->q[0].ptrs.cpu, 4096, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	ASSERT_EQ(self->q[0].ptrs.cpu, p);
	ASSERT_EQ(0, mincore(p, 4096, &resident));
	EXPECT_EQ(0, resident & 1);
	served(_metadata, self);
	ASSERT_EQ(0, mincore(p, 4096, &resident));
	EXPECT_EQ(0, resident & 1);
}

/* Missing for a while, they have not moved */
KFD_TEST(pointers_missing_once)
{
	__u64 before;
	int i;

	idle_beside_full(_metadata, self);
	before = counters(self).preemptions;
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, mprotect(self->q[0].ptrs.cpu, 4096, PROT_NONE));
		usleep(30000);
		ASSERT_EQ(0, mprotect(self->q[0].ptrs.cpu, 4096, PROT_READ | PROT_WRITE));
		usleep(30000);
	}
	EXPECT_EQ(before, counters(self).preemptions);
	finish(_metadata, self, 1);
}

/* A page whose faults nobody answers: a reader that waits, waits for ever */
KFD_TEST(pointers_userfaultfd)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	void *p;
	int fd;

	fd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(0, ioctl(fd, UFFDIO_API, &api));
	create(_metadata, self, 0, 15);
	prepare(_metadata, self);
	p = mmap(self->q[0].ptrs.cpu, 4096, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	ASSERT_EQ(self->q[0].ptrs.cpu, p);
	reg.range.start = (uintptr_t)p;
	reg.range.len = 4096;
	ASSERT_EQ(0, ioctl(fd, UFFDIO_REGISTER, &reg));
	served(_metadata, self);
	close(fd);
}

/*
 * What the pointers say is the owner's affair. Nonsense in them may look like
 * work that never ends: then the others get what the starvation limit grants.
 */
KFD_TEST(pointers_garbage)
{
	static const __u64 values[][2] = {
		{ 0, ~0ull }, { ~0ull, 0 }, { 1ull << 63, 0 }, { 0, 1ull << 63 },
		{ 0, 1ull << 32 }, { 0x7fffffff, 0xffffffff }, { 0, 1000 }, { 0, 1025 },
	};
	struct kfd_job *low = &self->job[1];
	struct kfd_queue_desc *desc, *shadow;
	unsigned int i;

	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, STARVATION_MS, 20));
	create(_metadata, self, 0, 15);
	create(_metadata, self, 1, 3);
	ASSERT_EQ(0, kfd_job_init(&self->kfd, low, GFX942_COUNT, 100, LOOPS_MS(5)));
	/* For CPUs alone, lest the firmware believes it */
	desc = self->q[0].desc;
	shadow = mmap(desc, 4096, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	ASSERT_EQ(desc, shadow);
	for (i = 0; i < ARRAY_SIZE(values); i++) {
		__atomic_store_n(&desc->read_dispatch_id, values[i][0], __ATOMIC_RELAXED);
		__atomic_store_n(&desc->write_dispatch_id, values[i][1], __ATOMIC_RELAXED);
		kfd_job_submit_n(low, &self->q[1], 2);
		ASSERT_EQ(0, kfd_job_wait(low, KFD_TIMEOUT_MS));
		EXPECT_EQ(0, kfd_job_wrong(low, 2 * (i + 1)));
	}
	ASSERT_EQ(0, kfd_queue_destroy(&self->q[0]));
	EXPECT_TRUE(wait_state(&self->q[1], ACTIVE));
}

/* Moments at which what the monitor holds changes under its hands */
KFD_TEST(update_and_destroy)
{
	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 4);
	create(_metadata, self, 2, 12);
	occupy(_metadata, self, 0, 100);
	ASSERT_EQ(0, wait_launched(&self->q[0], 1));
	occupy(_metadata, self, 1, 100);
	ASSERT_TRUE(wait_state(&self->q[0], PREEMPTED));
	occupy(_metadata, self, 2, 100);
	ASSERT_TRUE(wait_state(&self->q[1], PREEMPTED));
	ASSERT_EQ(0, kfd_queue_destroy(&self->q[1]));
	/* As high as the other one now: nothing to wait for */
	self->q[0].priority = 12;
	ASSERT_EQ(0, kfd_queue_update(&self->q[0]));
	EXPECT_TRUE(wait_state(&self->q[0], ACTIVE));
	self->q[0].priority = 3;
	ASSERT_EQ(0, kfd_queue_update(&self->q[0]));
	EXPECT_TRUE(wait_state(&self->q[0], PREEMPTED));
	ASSERT_EQ(0, kfd_queue_destroy(&self->q[2]));
	EXPECT_TRUE(wait_state(&self->q[0], ACTIVE));
	finish(_metadata, self, 0);
}

KFD_TEST(evictions)
{
	struct kfd_queue_opts opts = {
		.has_priority = true, .priority = 3, .cwsr = KFD_CWSR_VRAM,
	};
	size_t size = 16 * 4096;
	struct kfd_mem victim;
	int i, r, moved = 0;
	char text[32];

	snprintf(text, sizeof(text), "%d vram", getpid());
	ASSERT_EQ(0, kfd_mem_userptr(&self->kfd, &victim, NULL, size));
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], &opts));
	create(_metadata, self, 1, 12);
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[0], GFX942_COUNT, 400, LOOPS_MS(2)));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[1], GFX942_COUNT, 64, LOOPS_MS(1)));
	kfd_job_submit_n(&self->job[0], &self->q[0], 40);
	for (i = 0; i < 20; i++) {
		kfd_job_submit(&self->job[1], &self->q[1]);
		usleep(rand() % 5000);
		memset(victim.cpu, i, size);
		ASSERT_EQ(0, madvise(victim.cpu, size, MADV_DONTNEED));
		/* Nothing is there while it is not back since the last time */
		r = kfd_mock_present() && i % 5 == 4 ? kfd_mock_write("evict", text) : -ENOENT;
		ASSERT_TRUE(!r || r == -ENOENT);
		moved += !r;
		usleep(rand() % 5000);
	}
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, kfd_job_wait(&self->job[i], KFD_TIMEOUT_MS));
		EXPECT_EQ(0, kfd_job_wrong(&self->job[i], i ? 20 : 40));
	}
	if (kfd_mock_present())
		EXPECT_LT(0, moved);
}

KFD_TEST(suspend)
{
	if (!kfd_mock_present())
		SKIP(return, "needs the mock GPU");
	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	occupy(_metadata, self, 0, self->kfd.gpu.wave_slots / 2);
	ASSERT_EQ(0, wait_launched(&self->q[0], 1));
	occupy(_metadata, self, 1, 100);
	ASSERT_TRUE(wait_state(&self->q[0], PREEMPTED));
	ASSERT_EQ(0, kfd_mock_write("suspend", "1"));
	EXPECT_TRUE(wait_state(&self->q[0], PREEMPTED));
	finish(_metadata, self, 1);
	EXPECT_TRUE(wait_state(&self->q[0], ACTIVE));
	finish(_metadata, self, 0);
	prepare(_metadata, self);
	served(_metadata, self);
}

/* A program that knows nothing of priorities; value[0]: uid, value[1]: priority or 0 */
static void plain_child(struct shared *s)
{
	struct kfd_queue_opts opts = {
		.has_priority = s->value[1], .priority = s->value[1],
	};
	struct kfd_queue q;
	struct kfd_job job;
	struct kfd kfd;

	CHILD_CHECK(!kfd_open(&kfd));
	if (s->value[0])
		CHILD_CHECK(!setresuid(s->value[0], s->value[0], s->value[0]));
	CHILD_CHECK(!kfd_queue_create(&kfd, &q, &opts));
	CHILD_CHECK(!kfd_job_init(&kfd, &job, GFX942_WAIT, kfd.gpu.wave_slots / 4, 1));
	kfd_job_submit(&job, &q);
	set_step(s, 1);
	while (get_step(s) < 2) {
		__atomic_store_n(&s->value[2], queue_state(&q), __ATOMIC_RELEASE);
		usleep(1000);
	}
	kfd_job_release(&job);
	CHILD_CHECK(!kfd_job_wait(&job, KFD_TIMEOUT_MS));
	CHILD_CHECK(!kfd_job_wrong(&job, 1));
}

static bool wait_child_state(struct shared *s, __u64 state)
{
	__u64 end = kfd_now_us() + KFD_TIMEOUT_MS * 1000ull;

	while (__atomic_load_n(&s->value[2], __ATOMIC_ACQUIRE) != state) {
		if (kfd_now_us() > end)
			return false;
		usleep(1000);
	}
	return true;
}

/* Two identical programs, one of them nice */
KFD_TEST(nice)
{
	struct shared *s = shared_page();
	pid_t pid;

	ASSERT_NE(NULL, s);
	pid = start_child(&self->kfd, plain_child, s);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, setpriority(PRIO_PROCESS, pid, 10));
	ASSERT_TRUE(wait_step(s, 1));
	create(_metadata, self, 0, 7);
	occupy(_metadata, self, 0, self->kfd.gpu.wave_slots / 4);
	EXPECT_TRUE(wait_child_state(s, PREEMPTED));
	finish(_metadata, self, 0);
	EXPECT_TRUE(wait_child_state(s, ACTIVE));
	set_step(s, 2);
	EXPECT_TRUE(end_child(pid));
}

/*
 * While they run. The monitor has no reason to wake up before, and learns of it
 * when the device says something.
 */
KFD_TEST(renice)
{
	struct shared *s = shared_page();
	__u64 end = kfd_now_us() + KFD_TIMEOUT_MS * 1000ull;
	struct kfd_event event;
	__u64 ticks;
	pid_t pid;
	int n = 0;

	ASSERT_NE(NULL, s);
	pid = start_child(&self->kfd, plain_child, s);
	ASSERT_LT(0, pid);
	ASSERT_TRUE(wait_step(s, 1));
	create(_metadata, self, 0, 7);
	occupy(_metadata, self, 0, self->kfd.gpu.wave_slots / 4);
	create(_metadata, self, 1, 7);
	ASSERT_EQ(0, kfd_event_create(&self->kfd, &event));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[1], GFX942_COUNT, 1, 1));
	kfd_event_attach(&self->kfd, &event, self->job[1].signal);
	ASSERT_EQ(0, wait_launched(&self->q[0], 1));

	/* Let it fall asleep */
	usleep(50000);
	ticks = counters(self).ticks;
	for (; n < 10; n++) {
		kfd_job_submit(&self->job[1], &self->q[1]);
		ASSERT_EQ(0, kfd_job_wait(&self->job[1], KFD_TIMEOUT_MS));
		usleep(50000);
	}
	EXPECT_EQ(ticks, counters(self).ticks);
	EXPECT_EQ(ACTIVE, s->value[2]);

	ASSERT_EQ(0, setpriority(PRIO_PROCESS, pid, 5));
	for (; s->value[2] != PREEMPTED && kfd_now_us() < end; n++) {
		kfd_job_submit(&self->job[1], &self->q[1]);
		ASSERT_EQ(0, kfd_job_wait(&self->job[1], KFD_TIMEOUT_MS));
		usleep(50000);
	}
	EXPECT_TRUE(wait_child_state(s, PREEMPTED));
	EXPECT_EQ(0, kfd_job_wrong(&self->job[1], n));
	/* It wakes up by itself now: back to equal, and both run */
	ASSERT_EQ(0, setpriority(PRIO_PROCESS, pid, 0));
	EXPECT_TRUE(wait_child_state(s, ACTIVE));
	EXPECT_EQ(ACTIVE, queue_state(&self->q[0]));
	/* And the other way round */
	ASSERT_EQ(0, setpriority(PRIO_PROCESS, pid, -10));
	for (; queue_state(&self->q[0]) != PREEMPTED && kfd_now_us() < end; n++) {
		kfd_job_submit(&self->job[1], &self->q[1]);
		usleep(100000);
	}
	EXPECT_EQ(PREEMPTED, queue_state(&self->q[0]));
	EXPECT_EQ(ACTIVE, s->value[2]);
	set_step(s, 2);
	EXPECT_TRUE(end_child(pid));
	EXPECT_TRUE(wait_state(&self->q[0], ACTIVE));
	finish(_metadata, self, 0);
	ASSERT_EQ(0, kfd_job_wait(&self->job[1], KFD_TIMEOUT_MS));
}

/* The switch that turns it off */
KFD_TEST(rank_off)
{
	struct shared *s = shared_page();
	__u64 ticks;
	pid_t pid;

	ASSERT_NE(NULL, s);
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, RANK, 0));
	pid = start_child(&self->kfd, plain_child, s);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, setpriority(PRIO_PROCESS, pid, 10));
	ASSERT_TRUE(wait_step(s, 1));
	create(_metadata, self, 0, 7);
	occupy(_metadata, self, 0, self->kfd.gpu.wave_slots / 4);
	/* Let it fall asleep */
	usleep(50000);
	ticks = counters(self).ticks;
	usleep(100000);
	EXPECT_EQ(ticks, counters(self).ticks);
	EXPECT_EQ(ACTIVE, s->value[2]);
	/* It counts at once */
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, RANK, 1));
	EXPECT_TRUE(wait_child_state(s, PREEMPTED));
	finish(_metadata, self, 0);
	set_step(s, 2);
	EXPECT_TRUE(end_child(pid));
}

/* What another user's program asks for gives it no right over ours */
KFD_TEST(other_user)
{
	struct shared *s = shared_page();
	__u64 ticks;
	pid_t pid;

	ASSERT_NE(NULL, s);
	create(_metadata, self, 0, 7);
	occupy(_metadata, self, 0, self->kfd.gpu.wave_slots / 4);
	ASSERT_EQ(0, wait_launched(&self->q[0], 1));
	s->value[0] = 65534;
	s->value[1] = 15;
	pid = start_child(&self->kfd, plain_child, s);
	ASSERT_LT(0, pid);
	ASSERT_TRUE(wait_step(s, 1));
	/* Let it fall asleep */
	usleep(50000);
	ticks = counters(self).ticks;
	usleep(100000);
	EXPECT_EQ(ACTIVE, queue_state(&self->q[0]));
	EXPECT_EQ(ticks, counters(self).ticks);
	/* We are privileged, and are believed */
	create(_metadata, self, 1, 8);
	occupy(_metadata, self, 1, self->kfd.gpu.wave_slots / 4);
	EXPECT_TRUE(wait_child_state(s, PREEMPTED));
	EXPECT_TRUE(wait_state(&self->q[0], PREEMPTED));
	finish(_metadata, self, 1);
	EXPECT_TRUE(wait_child_state(s, ACTIVE));
	/* Unless somebody who may says that it is to come first */
	ASSERT_EQ(0, setpriority(PRIO_PROCESS, pid, -10));
	EXPECT_EQ(0, kfd_gpreempt_set(&self->kfd, HOLDOFF_US, 10000));
	EXPECT_TRUE(wait_state(&self->q[0], PREEMPTED));
	set_step(s, 2);
	EXPECT_TRUE(end_child(pid));
	EXPECT_TRUE(wait_state(&self->q[0], ACTIVE));
	finish(_metadata, self, 0);
}

#define AS_OTHER	"sleeps-as-other"

/* A setuid program, as it were: this one, executed by that name */
static void __attribute__((constructor)) sleep_as_other(int argc, char **argv)
{
	if (argc != 1 || strcmp(argv[0], AS_OTHER))
		return;
	if (!setresuid(65534, 65534, 65534))
		sleep(1000);
	_exit(1);
}

static struct kfd_job exec_job;

static int stays_behind(void *arg)
{
	struct shared *s = arg;

	CHILD_CHECK(wait_step(s, 3));
	kfd_job_release(&exec_job);
	CHILD_CHECK(!kfd_job_wait(&exec_job, KFD_TIMEOUT_MS));
	__atomic_store_n(&s->value[3], 1, __ATOMIC_RELEASE);
	_exit(0);
}

static void exec_child(struct shared *s)
{
	struct kfd_queue_opts opts = { .has_priority = true, .priority = 12 };
	struct kfd_queue q;
	struct kfd kfd;
	char *stack;

	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(!kfd_queue_create(&kfd, &q, &opts));
	CHILD_CHECK(!kfd_job_init(&kfd, &exec_job, GFX942_WAIT, kfd.gpu.wave_slots / 4, 1));
	kfd_job_submit(&exec_job, &q);
	set_step(s, 1);
	CHILD_CHECK(wait_step(s, 2));
	stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHILD_CHECK(stack != MAP_FAILED);
	CHILD_CHECK(clone(stays_behind, stack + 65536, CLONE_VM | SIGCHLD, s) > 0);
	if (s->stop)
		execl("/proc/self/exe", AS_OTHER, NULL);
	execlp("sleep", "sleep", "1000", NULL);
	CHILD_CHECK(false);
}

/*
 * The main thread of a process executes another program while the queues live on
 * in its old memory. What that program may do, setuid or not, gives them nothing.
 */
static void executed(struct __test_metadata *_metadata, struct _test_data_kfd *self, int uid)
{
	struct shared *s = shared_page(), *e = shared_page();
	pid_t pid, exec_pid;

	ASSERT_NE(NULL, s);
	ASSERT_NE(NULL, e);
	s->value[0] = 65534;
	pid = start_child(&self->kfd, plain_child, s);
	ASSERT_LT(0, pid);
	ASSERT_TRUE(wait_step(s, 1));
	e->stop = uid;
	exec_pid = start_child(&self->kfd, exec_child, e);
	ASSERT_LT(0, exec_pid);
	ASSERT_TRUE(wait_step(e, 1));
	EXPECT_TRUE(wait_child_state(s, PREEMPTED));
	set_step(e, 2);
	EXPECT_TRUE(wait_child_state(s, ACTIVE));
	/* Nor when that program has become what it is */
	usleep(200000);
	EXPECT_EQ(ACTIVE, (int)__atomic_load_n(&s->value[2], __ATOMIC_ACQUIRE));
	set_step(e, 3);
	EXPECT_TRUE(wait_value(&e->value[3], 1));
	kill(exec_pid, SIGKILL);
	waitpid(exec_pid, NULL, 0);
	set_step(s, 2);
	EXPECT_TRUE(end_child(pid));
}

KFD_TEST(executed)
{
	executed(_metadata, self, 0);
}

/* Nor does the user that it runs as, though it be the one of all others */
KFD_TEST(executed_as_other)
{
	executed(_metadata, self, 65534);
}

/* A user less can be a level more */
KFD_TEST(other_user_leaves)
{
	struct shared *s = shared_page(), *o = shared_page();
	pid_t pid, other;

	ASSERT_NE(NULL, s);
	ASSERT_NE(NULL, o);
	s->value[0] = 65534;
	s->value[1] = 15;
	pid = start_child(&self->kfd, plain_child, s);
	ASSERT_LT(0, pid);
	ASSERT_TRUE(wait_step(s, 1));
	o->value[0] = 65534;
	other = start_child(&self->kfd, plain_child, o);
	ASSERT_LT(0, other);
	ASSERT_TRUE(wait_step(o, 1));
	EXPECT_TRUE(wait_child_state(o, PREEMPTED));
	/* We are another user, and now there is one level */
	create(_metadata, self, 0, 7);
	EXPECT_TRUE(wait_child_state(o, ACTIVE));
	usleep(50000);
	EXPECT_EQ(0, kfd_queue_destroy(&self->q[0]));
	EXPECT_TRUE(wait_child_state(o, PREEMPTED));
	set_step(s, 2);
	EXPECT_TRUE(end_child(pid));
	set_step(o, 2);
	EXPECT_TRUE(end_child(other));
}

TEST_HARNESS_MAIN
