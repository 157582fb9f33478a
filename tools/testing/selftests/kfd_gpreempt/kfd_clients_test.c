// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of what programs do to their queues while these are preempted, with the
 * monitor on: as HIP and ROCr create them, in large numbers, masked, updated,
 * destroyed and killed at bad moments, inherited, waited for, and with memory
 * that goes away.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "kfd_gpreempt_test.h"

#define SAVE		KFD_IOC_PREEMPT_WAVEFRONT_SAVE
#define ENABLE		KFD_IOC_GPREEMPT_PARAM_ENABLE
#define HOLDOFF_US	KFD_IOC_GPREEMPT_PARAM_HOLDOFF_US
#define STARVATION_MS	KFD_IOC_GPREEMPT_PARAM_STARVATION_MS

#define ACTIVE		KFD_IOC_GPREEMPT_QUEUE_ACTIVE
#define PREEMPTED	KFD_IOC_GPREEMPT_QUEUE_PREEMPTED

/* Long enough for a monitor that wants to act */
#define WHILE_US	50000

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

FIXTURE_SETUP(kfd)
{
	const char *why;

	why = setup_monitor(_metadata, self);
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, ENABLE, 1));
	set_params(_metadata, self);
}

/* How many processes KFD has something of */
static int kfd_processes(void)
{
	DIR *d = opendir("/sys/class/kfd/kfd/proc");
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

/* The dead leave a little later, and take slots and VMIDs until then */
static bool others_are_gone(void)
{
	__u64 end = kfd_now_us() + KFD_TIMEOUT_MS * 1000ull;

	while (kfd_mock_present() && kfd_processes() > 1) {
		if (kfd_now_us() > end)
			return false;
		usleep(1000);
	}
	return true;
}

static int evict(const char *how)
{
	char text[32];

	snprintf(text, sizeof(text), "%d %s", getpid(), how);
	return kfd_mock_write("evict", text);
}

/* A queue that never runs */
static void create_disabled(struct __test_metadata *_metadata, struct _test_data_kfd *self, int i)
{
	struct kfd_queue_opts opts = { .disabled = true, .cwsr = KFD_CWSR_VRAM };

	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[i], &opts));
}

/* Makes the driver map all that it takes for active, whatever it changes of this one */
static void update_disabled(struct __test_metadata *_metadata, struct _test_data_kfd *self, int i)
{
	ASSERT_EQ(0, kfd_queue_update(&self->q[i]));
	usleep(20000);
}

static void destroy(struct __test_metadata *_metadata, struct _test_data_kfd *self, int i)
{
	ASSERT_EQ(0, kfd_queue_destroy(&self->q[i]));
	kfd_queue_free(&self->q[i]);
}

/* Of this process, which has no queues, and of all the others, which are dead */
static void nothing_is_left(struct __test_metadata *_metadata, struct _test_data_kfd *self)
{
	long long runlists;

	ASSERT_TRUE(others_are_gone());
	if (!kfd_mock_present())
		return;
	EXPECT_EQ(-ENOENT, kfd_gpreempt_next_pid(&self->kfd, 0));
	EXPECT_EQ(0, kfd_mock_stat("wg_in_flight"));
	EXPECT_EQ(0, kfd_mock_stat("wg_saved"));
	EXPECT_EQ(kfd_mock_stat("wg_launched"),
		  kfd_mock_stat("wg_ended") + kfd_mock_stat("wg_killed"));
	/* Nothing is active, if it counts right */
	create_disabled(_metadata, self, MAX_QUEUES - 1);
	usleep(20000);
	runlists = kfd_mock_stat("hiq_run_list");
	update_disabled(_metadata, self, MAX_QUEUES - 1);
	EXPECT_EQ(runlists, kfd_mock_stat("hiq_run_list"));
	destroy(_metadata, self, MAX_QUEUES - 1);
}

/* Has it been so all the time? */
static bool stays(struct kfd_queue *q, int state)
{
	__u64 end = kfd_now_us() + WHILE_US;

	while (kfd_now_us() < end) {
		if (queue_state(q) != state)
			return false;
		usleep(5000);
	}
	return true;
}

static int set_priority(struct kfd_queue *q, __u32 priority)
{
	q->priority = priority;
	return kfd_queue_update(q);
}

#define STREAMS		18
#define SHARED		4	/* queues of a priority */
#define HIP_RING	0x100000

/* A queue is created at 7, then it gets what its stream asks for */
static void hip_client(struct shared *s)
{
	static const __u32 priorities[] = { 0, 7, 15 };
	struct kfd_queue_opts opts = { .ring_size = HIP_RING, .cwsr = KFD_CWSR_VRAM };
	struct kfd_queue q[ARRAY_SIZE(priorities) * SHARED];
	struct kfd_queue *of[STREAMS];
	struct kfd_job job[STREAMS];
	struct kfd kfd;
	int i, n, round;

	CHILD_CHECK(!kfd_open(&kfd));
	for (i = 0; i < STREAMS; i++) {
		n = i % ARRAY_SIZE(priorities);
		of[i] = &q[n * SHARED + i / ARRAY_SIZE(priorities) % SHARED];
		/* Those that come first have work already */
		if (i < (int)ARRAY_SIZE(q)) {
			CHILD_CHECK(!kfd_queue_create(&kfd, of[i], &opts));
			CHILD_CHECK(!set_priority(of[i], priorities[n]));
		}
		CHILD_CHECK(!kfd_job_init(&kfd, &job[i], GFX942_COUNT, 60 + i, LOOPS_MS(1)));
		kfd_job_submit_n(&job[i], of[i], 2);
	}
	for (round = 1; round <= 3; round++) {
		for (i = 0; i < STREAMS; i++)
			kfd_job_submit_n(&job[i], of[i], 2);
		for (i = 0; i < STREAMS; i++) {
			CHILD_CHECK(!kfd_job_wait(&job[i], KFD_TIMEOUT_MS));
			CHILD_CHECK(!kfd_job_wrong(&job[i], 2 * round + 2));
		}
	}
	/* Some do not wait for their last work; nobody destroys queues */
	if (s->stop)
		kfd_job_submit_n(&job[0], of[0], 5);
}

/* Streams of three priorities on shared queues: all work is done once, exit cleans up */
KFD_TEST(hip_streams)
{
	struct shared *s = shared_page();
	int i, n = kfd_no_hws() ? 1 : 2;
	pid_t pid[4];

	ASSERT_NE(NULL, s);
	ASSERT_TRUE(others_are_gone());
	/* The lowest is not to wait for the rest only */
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, STARVATION_MS, 100));
	for (s->stop = 0; s->stop < 2; s->stop++) {
		for (i = 0; i < n; i++) {
			pid[i] = start_child(&self->kfd, hip_client, s);
			ASSERT_LT(0, pid[i]);
		}
		for (i = 0; i < n; i++)
			EXPECT_TRUE(end_child(pid[i]));
		nothing_is_left(_metadata, self);
	}
}

/* value[]: how many there were, how many are ready */
static void one_of_many(struct shared *s)
{
	__u64 nr = __atomic_fetch_add(&s->value[0], 1, __ATOMIC_SEQ_CST);
	struct kfd_queue_opts opts = { .has_priority = true, .priority = nr & 1 ? 12 : 3,
				       .cwsr = KFD_CWSR_VRAM };
	struct kfd_queue q;
	struct kfd_job job;
	struct kfd kfd;

	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(!kfd_queue_create(&kfd, &q, &opts));
	CHILD_CHECK(!kfd_job_init(&kfd, &job, GFX942_COUNT, 150, LOOPS_MS(1)));
	__atomic_add_fetch(&s->value[1], 1, __ATOMIC_SEQ_CST);
	CHILD_CHECK(wait_step(s, 1));
	kfd_job_submit_n(&job, &q, 8);
	CHILD_CHECK(!kfd_job_wait(&job, KFD_TIMEOUT_MS));
	CHILD_CHECK(!kfd_job_wrong(&job, 8));
}

static void one_too_many(struct shared *s)
{
	struct kfd_queue q;
	struct kfd kfd;

	(void)s;
	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(kfd_queue_create(&kfd, &q, NULL) == -ENOSPC);
}

/* More processes than VMIDs, low and high: all work is done once; without HWS the limit holds */
KFD_TEST(many_processes)
{
	struct shared *s = shared_page();
	int i, round, n = kfd_no_hws() ? 13 : 20;
	pid_t pid[20], late;

	ASSERT_NE(NULL, s);
	if (kfd_no_hws() && !kfd_mock_present())
		SKIP(return, "others may have VMIDs");
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, STARVATION_MS, 100));
	/* Again: what the first ones had has come back */
	for (round = 0; round < 2; round++) {
		__u64 before = query(&self->kfd, NULL).preemptions;

		memset(s, 0, sizeof(*s));
		ASSERT_TRUE(others_are_gone());
		for (i = 0; i < n; i++) {
			pid[i] = start_child(&self->kfd, one_of_many, s);
			ASSERT_LT(0, pid[i]);
		}
		EXPECT_TRUE(wait_value(&s->value[1], n));
		if (kfd_no_hws()) {
			late = start_child(&self->kfd, one_too_many, s);
			EXPECT_TRUE(end_child(late));
		}
		set_step(s, 1);
		for (i = 0; i < n; i++)
			EXPECT_TRUE(end_child(pid[i]));
		EXPECT_LT(before, query(&self->kfd, NULL).preemptions);
	}
	nothing_is_left(_metadata, self);
}

#define CROWD		14
#define CROWDS		3

static void crowd(struct shared *s)
{
	struct kfd_queue_opts opts = { .ring_size = 4096, .cwsr = KFD_CWSR_VRAM,
				       .has_priority = true };
	struct kfd_queue q[CROWD];
	struct kfd_job job[CROWD];
	struct kfd kfd;
	int i;

	CHILD_CHECK(!kfd_open(&kfd));
	for (i = 0; i < CROWD; i++) {
		opts.priority = i % 4 ? 12 : 3;
		CHILD_CHECK(!kfd_queue_create(&kfd, &q[i], &opts));
		CHILD_CHECK(!kfd_job_init(&kfd, &job[i], GFX942_COUNT, 64, LOOPS_MS(3)));
	}
	__atomic_add_fetch(&s->value[0], 1, __ATOMIC_SEQ_CST);
	CHILD_CHECK(wait_step(s, 1));
	for (i = 0; i < CROWD; i++)
		kfd_job_submit_n(&job[i], &q[i], 6);
	/* Nobody resumes a queue of a process that has ended */
	CHILD_CHECK(wait_step(s, 2));
	for (i = 0; i < CROWD; i++) {
		CHILD_CHECK(!kfd_job_wait(&job[i], KFD_TIMEOUT_MS));
		CHILD_CHECK(!kfd_job_wrong(&job[i], 6));
	}
}

/* HWS takes turns, the monitor and an ioctl preempt, all at once: each workgroup once */
KFD_TEST(oversubscribed)
{
	struct shared *s = shared_page();
	long long rotations;
	bool held[CROWDS][CROWD] = { 0 };
	pid_t pid[CROWDS];
	int i, k, n;

	ASSERT_NE(NULL, s);
	if (kfd_no_hws())
		SKIP(return, "without HWS a queue needs a slot");
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, STARVATION_MS, 100));
	for (i = 0; i < CROWDS; i++) {
		pid[i] = start_child(&self->kfd, crowd, s);
		ASSERT_LT(0, pid[i]);
	}
	ASSERT_TRUE(wait_value(&s->value[0], CROWDS));
	ASSERT_LT((int)self->kfd.gpu.queue_slots, CROWDS * CROWD);
	/* Turns are about as long as the time between two runlists */
	kfd_set_module_param("mock_quantum_us", 8000);
	rotations = kfd_mock_stat("rotations");
	set_step(s, 1);
	for (n = 0; n < 40; n++) {
		i = rand() % CROWDS;
		k = rand() % CROWD;
		EXPECT_EQ(0, held[i][k] ? kfd_resume(&self->kfd, pid[i], k) :
					  kfd_preempt(&self->kfd, pid[i], k, SAVE, 0));
		held[i][k] = !held[i][k];
		usleep(rand() % 20000);
	}
	if (rotations >= 0)
		EXPECT_LT(rotations + 5, kfd_mock_stat("rotations"));
	kfd_set_module_param("mock_quantum_us", 0);
	for (i = 0; i < CROWDS; i++)
		for (k = 0; k < CROWD; k++)
			if (held[i][k])
				EXPECT_EQ(0, kfd_resume(&self->kfd, pid[i], k));
	set_step(s, 2);
	for (i = 0; i < CROWDS; i++)
		EXPECT_TRUE(end_child(pid[i]));
	nothing_is_left(_metadata, self);
}

/*
 * compute_static_thread_mgmt_se0 to se3 of each XCC, of all compute queues of
 * this process, the last one created first. Returns how many those are.
 */
#define SE_PER_XCC	4

struct cu_masks {
	__u32 se[KFD_MAX_XCC][SE_PER_XCC];
};

static int read_cu_masks(struct cu_masks *masks, int max)
{
	FILE *f = fopen("/sys/kernel/debug/kfd/mqds", "r");
	int n = 0, xcc = -1, pid;
	__u32 off, w[8];
	bool ours = false;
	char line[256];

	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Process %d", &pid) == 1) {
			ours = pid == getpid();
		} else if (ours && strstr(line, "Compute queue")) {
			n++;
			xcc = -1;
		} else if (ours && n && n <= max &&
			   sscanf(line, "%x: %x %x %x %x %x %x %x %x", &off, &w[0], &w[1], &w[2],
				  &w[3], &w[4], &w[5], &w[6], &w[7]) == 9) {
			xcc += !off;
			if (xcc < 0 || xcc >= KFD_MAX_XCC)
				continue;
			/* Words 23, 24, 26 and 27 of struct v9_mqd */
			if (off == 0x40) {
				masks[n - 1].se[xcc][0] = w[7];
			} else if (off == 0x60) {
				masks[n - 1].se[xcc][1] = w[0];
				masks[n - 1].se[xcc][2] = w[2];
				masks[n - 1].se[xcc][3] = w[3];
			}
		}
	}
	fclose(f);
	return n;
}

static void expect_same_masks(struct __test_metadata *_metadata, struct _test_data_kfd *self,
			      const struct cu_masks *unlike)
{
	struct cu_masks m[3] = { 0 };
	__u32 x, se, all;

	ASSERT_EQ(3, read_cu_masks(m, 3));
	for (x = 0; x < self->kfd.gpu.xccs; x++) {
		all = 0;
		for (se = 0; se < SE_PER_XCC; se++) {
			EXPECT_EQ(m[0].se[x][se], m[1].se[x][se]);
			all |= m[0].se[x][se];
		}
		EXPECT_NE(0, all);
		EXPECT_NE(0, memcmp(m[0].se[x], unlike->se[x], sizeof(m[0].se[x])));
	}
}

enum when { BEFORE, MAPPED, HELD, TWICE, WHENS };

/*
 * The masks of a queue that is preempted, and of one that never is, which gets
 * the same, are compared. What a resume needs is in the snapshot alone.
 */
static void masked(struct __test_metadata *_metadata, struct _test_data_kfd *self, bool monitor)
{
	static const __u8 patterns[2] = { 0x0f, 0xf0 };
	struct kfd_queue *q = &self->q[0];
	struct cu_masks was[3] = { 0 };
	long long runlists;
	__u32 mask[32];
	int when, i;

	if (!kfd_mock_present() || read_cu_masks(NULL, 0) < 0)
		SKIP(return, "needs the mock GPU, and MQDs in debugfs");
	create(_metadata, self, 1, 12);
	create(_metadata, self, 0, 3);
	create(_metadata, self, 2, 15);
	ASSERT_EQ(3, read_cu_masks(was, 3));
	for (when = 0; when < WHENS; when++) {
		/* Every XCC keeps some CUs, whatever their numbers */
		for (i = 0; i < 32; i++)
			mask[i] = when & 1 ? 0x00ff00ff : 0xff00ff00;
		for (i = 0; i < 4; i++)
			mask[i] |= 0x01010101u * patterns[when & 1];
		if (self->kfd.gpu.xccs == 1)
			memset(mask, when & 1 ? 0x55 : 0xaa, sizeof(mask));
		ASSERT_EQ(0, kfd_queue_set_cu_mask(&self->q[2], mask, 1024));
		if (when == BEFORE)
			ASSERT_EQ(0, kfd_queue_set_cu_mask(q, mask, 1024));
		launch(_metadata, self, 0);
		if (when == MAPPED)
			ASSERT_EQ(0, kfd_queue_set_cu_mask(q, mask, 1024));
		if (monitor) {
			occupy(_metadata, self, 1, 64);
			ASSERT_TRUE(wait_state(q, PREEMPTED));
		} else {
			ASSERT_EQ(0, kfd_queue_preempt(q, SAVE, 0));
		}
		if (when == TWICE) {
			__u32 other[32];

			memset(other, 0xff, sizeof(other));
			ASSERT_EQ(0, kfd_queue_set_cu_mask(q, other, 1024));
		}
		if (when >= HELD)
			ASSERT_EQ(0, kfd_queue_set_cu_mask(q, mask, 1024));
		/* A runlist with the others may be read a little later */
		do {
			runlists = kfd_mock_stat("hiq_run_list");
			usleep(50000);
		} while (runlists != kfd_mock_stat("hiq_run_list"));
		ASSERT_EQ(0, kfd_mock_write("scrub", "1"));
		if (monitor)
			finish(_metadata, self, 1);
		else
			ASSERT_EQ(0, kfd_queue_resume(q));
		ASSERT_TRUE(wait_state(q, ACTIVE));
		expect_same_masks(_metadata, self, &was[1]);
		ASSERT_EQ(3, read_cu_masks(was, 3));
		finish(_metadata, self, 0);
	}
}

/* A CU mask, whenever set, is in the MQDs of all XCCs after a RESUME */
KFD_TEST(cu_mask_ioctl)
{
	masked(_metadata, self, false);
}

/* The same after a resume by the monitor */
KFD_TEST(cu_mask_monitor)
{
	masked(_metadata, self, true);
}

/* A queue that the monitor holds and that rises above the others is back, and goes first */
KFD_TEST(raised_while_held)
{
	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	/* Not because the other one was quiet */
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, HOLDOFF_US, 10000000));
	launch(_metadata, self, 0);
	launch(_metadata, self, 1);
	ASSERT_TRUE(wait_state(&self->q[0], PREEMPTED));
	ASSERT_EQ(0, set_priority(&self->q[0], 15));
	ASSERT_TRUE(wait_state(&self->q[0], ACTIVE));
	ASSERT_TRUE(wait_state(&self->q[1], PREEMPTED));
	finish(_metadata, self, 0);
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, HOLDOFF_US, 10000));
	ASSERT_TRUE(wait_state(&self->q[1], ACTIVE));
	finish(_metadata, self, 1);
}

/* The same of one that was held before it had started anything */
KFD_TEST(raised_while_waiting)
{
	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, HOLDOFF_US, 10000000));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[1], GFX942_WAIT,
				  self->kfd.gpu.wave_slots, 1));
	kfd_job_submit(&self->job[1], &self->q[1]);
	ASSERT_EQ(0, wait_launched(&self->q[1], 1));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[0], GFX942_COUNT, 100, LOOPS_MS(1)));
	kfd_job_submit_n(&self->job[0], &self->q[0], 5);
	ASSERT_TRUE(wait_state(&self->q[0], PREEMPTED));
	EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
	ASSERT_EQ(0, set_priority(&self->q[0], 13));
	ASSERT_EQ(0, kfd_job_wait(&self->job[0], KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(&self->job[0], 5));
	EXPECT_EQ(0, kfd_job_sum(&self->job[1]));
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, HOLDOFF_US, 10000));
	finish(_metadata, self, 1);
}

/* A queue that runs and falls below the others, or lets them pass, is preempted */
KFD_TEST(lowered_while_mapped)
{
	create(_metadata, self, 0, 12);
	create(_metadata, self, 1, 12);
	launch(_metadata, self, 0);
	launch(_metadata, self, 1);
	EXPECT_TRUE(stays(&self->q[0], ACTIVE));
	ASSERT_EQ(0, set_priority(&self->q[0], 0));
	ASSERT_TRUE(wait_state(&self->q[0], PREEMPTED));
	ASSERT_EQ(0, set_priority(&self->q[0], 12));
	ASSERT_TRUE(wait_state(&self->q[0], ACTIVE));
	ASSERT_EQ(0, set_priority(&self->q[1], 15));
	ASSERT_TRUE(wait_state(&self->q[0], PREEMPTED));
	EXPECT_EQ(ACTIVE, queue_state(&self->q[1]));
	finish(_metadata, self, 1);
	ASSERT_TRUE(wait_state(&self->q[0], ACTIVE));
	finish(_metadata, self, 0);
}

/* Queues that are held come back in the order of what they are now */
KFD_TEST(lowered_while_held)
{
	int i;

	/* Waves that are late to be restored are no reason to put the low one back */
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, HOLDOFF_US, 300000));
	create(_metadata, self, 0, 7);
	create(_metadata, self, 1, 5);
	create(_metadata, self, 2, 12);
	launch(_metadata, self, 1);
	launch(_metadata, self, 0);
	launch(_metadata, self, 2);
	for (i = 0; i < 2; i++)
		ASSERT_TRUE(wait_state(&self->q[i], PREEMPTED));
	ASSERT_EQ(0, set_priority(&self->q[0], 1));
	EXPECT_TRUE(stays(&self->q[0], PREEMPTED));
	finish(_metadata, self, 2);
	ASSERT_TRUE(wait_state(&self->q[1], ACTIVE));
	EXPECT_TRUE(stays(&self->q[0], PREEMPTED));
	finish(_metadata, self, 1);
	ASSERT_TRUE(wait_state(&self->q[0], ACTIVE));
	finish(_metadata, self, 0);
}

/* What an ioctl holds stays where it is and displaces nobody, however high; then it counts */
KFD_TEST(raised_by_owner)
{
	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	launch(_metadata, self, 0);
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	launch(_metadata, self, 1);
	ASSERT_EQ(0, set_priority(&self->q[0], 15));
	EXPECT_TRUE(stays(&self->q[0], PREEMPTED));
	EXPECT_TRUE(stays(&self->q[1], ACTIVE));
	ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	ASSERT_TRUE(wait_state(&self->q[1], PREEMPTED));
	EXPECT_EQ(ACTIVE, queue_state(&self->q[0]));
	/* And the other way round */
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	ASSERT_TRUE(wait_state(&self->q[1], ACTIVE));
	ASSERT_EQ(0, set_priority(&self->q[0], 0));
	ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	ASSERT_TRUE(wait_state(&self->q[0], PREEMPTED));
	EXPECT_EQ(query(&self->kfd, &self->q[0]).queue_holder, KFD_IOC_GPREEMPT_HOLDER_MONITOR);
	finish(_metadata, self, 1);
	ASSERT_TRUE(wait_state(&self->q[0], ACTIVE));
	finish(_metadata, self, 0);
}

/* A ring that grows and shrinks while the monitor holds its queue loses no packet */
KFD_TEST(ring_while_held)
{
	struct kfd_job *behind = &self->job[2];
	struct kfd_queue *q = &self->q[0];
	struct kfd_mem large, small;
	int i;

	/* Waves that are late to be restored are no reason to put the low one back */
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, HOLDOFF_US, 300000));
	ASSERT_EQ(0, kfd_mem_alloc(&self->kfd, &large, HIP_RING, KFD_IOC_ALLOC_MEM_FLAGS_GTT));
	ASSERT_EQ(0, kfd_mem_alloc(&self->kfd, &small, 4096, KFD_IOC_ALLOC_MEM_FLAGS_GTT));
	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	ASSERT_EQ(0, kfd_job_init(&self->kfd, behind, GFX942_COUNT, 50, 1));
	for (i = 1; i <= 3; i++) {
		launch(_metadata, self, 0);
		kfd_job_submit_n(behind, q, 5);
		launch(_metadata, self, 1);
		ASSERT_TRUE(wait_state(q, PREEMPTED));
		ASSERT_EQ(0, kfd_queue_set_ring(q, &large));
		kfd_job_submit_n(behind, q, 5);
		EXPECT_TRUE(stays(q, PREEMPTED));
		ASSERT_EQ(0, kfd_queue_set_ring(q, &small));
		finish(_metadata, self, 1);
		finish(_metadata, self, 0);
		ASSERT_EQ(0, kfd_job_wait(behind, KFD_TIMEOUT_MS));
		EXPECT_EQ(0, kfd_job_wrong(behind, 10 * i));
		EXPECT_EQ(11 * i, kfd_queue_rptr(q));
	}
}

/* Disabled and held by the monitor are two reasons not to run; either is enough */
KFD_TEST(disabled_while_held)
{
	struct kfd_queue *q = &self->q[0];
	int i;

	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	create_disabled(_metadata, self, 2);
	for (i = 0; i < 2; i++) {
		launch(_metadata, self, 0);
		launch(_metadata, self, 1);
		ASSERT_TRUE(wait_state(q, PREEMPTED));
		q->percent = 0;
		ASSERT_EQ(0, kfd_queue_update(q));
		kfd_job_release(&self->job[0]);
		if (i) {
			/* Enabled again first */
			q->percent = 100;
			ASSERT_EQ(0, kfd_queue_update(q));
			usleep(WHILE_US);
			update_disabled(_metadata, self, 2);
			EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
			finish(_metadata, self, 1);
		} else {
			finish(_metadata, self, 1);
			usleep(WHILE_US);
			update_disabled(_metadata, self, 2);
			EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
			q->percent = 100;
			ASSERT_EQ(0, kfd_queue_update(q));
		}
		ASSERT_TRUE(wait_state(q, ACTIVE));
		finish(_metadata, self, 0);
	}
	for (i = 0; i < 3; i++)
		destroy(_metadata, self, i);
	nothing_is_left(_metadata, self);
}

/* How many queues is there room for? */
static int fill_slots(struct __test_metadata *_metadata, struct _test_data_kfd *self)
{
	struct kfd_queue_opts opts = { .ring_size = 4096, .cwsr = KFD_CWSR_VRAM };
	int i, n;

	for (n = 0; n < MAX_QUEUES; n++)
		if (kfd_queue_create(&self->kfd, &self->q[n], &opts))
			break;
	for (i = 0; i < n; i++) {
		EXPECT_EQ(0, kfd_queue_destroy(&self->q[i]));
		kfd_queue_free(&self->q[i]);
	}
	return n;
}

/* s->stop: what to do with queues, then to end */
static void stormy(struct shared *s)
{
	struct kfd_queue_opts opts = { .ring_size = 4096, .cwsr = KFD_CWSR_VRAM,
				       .has_priority = true };
	struct kfd_queue q[3];
	struct kfd_job job[3];
	struct kfd kfd;
	__u32 w;
	int i, r;

	srand(__atomic_fetch_add(&s->value[1], 1, __ATOMIC_SEQ_CST));
	CHILD_CHECK(!kfd_open(&kfd));
	while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
		for (i = 0; i < 3; i++) {
			opts.priority = rand() % 12;
			do {
				r = kfd_queue_create(&kfd, &q[i], &opts);
				/* The dead have slots and VMIDs for a while */
				if (r)
					usleep(1000);
			} while (r && kfd_no_hws());
			CHILD_CHECK(!r);
			CHILD_CHECK(!kfd_job_init(&kfd, &job[i], GFX942_COUNT, 100,
						  LOOPS_MS(1)));
			kfd_job_submit_n(&job[i], &q[i], 3);
		}
		__atomic_add_fetch(&s->value[0], 1, __ATOMIC_SEQ_CST);
		usleep(rand() % 10000);
		for (i = 0; i < 3; i++) {
			bool wait = rand() & 1;

			if (wait)
				CHILD_CHECK(!kfd_job_wait(&job[i], KFD_TIMEOUT_MS));
			else if (rand() & 1)
				CHILD_CHECK(!kfd_queue_preempt(&q[i], SAVE, 0));
			else
				CHILD_CHECK(!set_priority(&q[i], rand() % 16));
			CHILD_CHECK(!kfd_queue_destroy(&q[i]));
			for (w = 0; w < job[i].workgroups; w++)
				CHILD_CHECK(wait ? kfd_job_count(&job[i], w) == 3 :
						   kfd_job_count(&job[i], w) <= 3);
			kfd_queue_free(&q[i]);
			kfd_job_free(&job[i]);
		}
	}
}

/* Queues come and go, processes are killed, all while the monitor preempts: nothing leaks */
KFD_TEST(storm)
{
	struct kfd_job *high = &self->job[0];
	struct shared *s = shared_page();
	pid_t pid[3];
	int i, k, n = 0, slots = 0;

	ASSERT_NE(NULL, s);
	ASSERT_TRUE(others_are_gone());
	if (kfd_no_hws())
		slots = fill_slots(_metadata, self);
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, STARVATION_MS, 50));
	create(_metadata, self, 0, 13);
	ASSERT_EQ(0, kfd_job_init(&self->kfd, high, GFX942_COUNT, 100, LOOPS_MS(2)));
	for (i = 0; i < 3; i++) {
		pid[i] = start_child(&self->kfd, stormy, s);
		ASSERT_LT(0, pid[i]);
	}
	ASSERT_TRUE(wait_value(&s->value[0], 3));
	for (k = 1; k <= 12; k++) {
		kfd_job_submit_n(high, &self->q[0], 4);
		n += 4;
		usleep(rand() % 20000);
		i = rand() % 3;
		EXPECT_TRUE(kill_child(pid[i]));
		pid[i] = start_child(&self->kfd, stormy, s);
		ASSERT_LT(0, pid[i]);
		ASSERT_EQ(0, kfd_job_wait(high, KFD_TIMEOUT_MS));
		EXPECT_EQ(0, kfd_job_wrong(high, n));
	}
	__atomic_store_n(&s->stop, 1, __ATOMIC_RELEASE);
	for (i = 0; i < 3; i++)
		EXPECT_TRUE(end_child(pid[i]));
	EXPECT_LT(0, query(&self->kfd, NULL).preemptions);
	destroy(_metadata, self, 0);
	nothing_is_left(_metadata, self);
	if (kfd_no_hws())
		EXPECT_EQ(slots, fill_slots(_metadata, self));
}

/* Does sysfs show a queue of this process? */
static bool has_entry(__u32 id)
{
	char path[80];

	snprintf(path, sizeof(path), "/sys/class/kfd/kfd/proc/%d/queues/%u", getpid(), id);
	return !access(path, F_OK);
}

/* A queue that is destroyed while held, by the monitor or an ioctl, is gone from everywhere */
KFD_TEST(destroyed_while_held)
{
	struct kfd_ioctl_gpreempt_args args;
	int i;

	for (i = 0; i < 6; i++) {
		create(_metadata, self, 0, 3);
		create(_metadata, self, 1, 12);
		launch(_metadata, self, 0);
		if (i & 1)
			ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
		if (i % 3)
			launch(_metadata, self, 1);
		if (i & 1 || i % 3)
			ASSERT_TRUE(wait_state(&self->q[0], PREEMPTED));
		EXPECT_TRUE(has_entry(self->q[0].id));
		ASSERT_EQ(0, kfd_queue_destroy(&self->q[0]));
		EXPECT_FALSE(has_entry(self->q[0].id));
		EXPECT_EQ(-EINVAL, kfd_gpreempt_query(&self->kfd, &self->q[0], &args));
		EXPECT_EQ(-EINVAL, kfd_queue_resume(&self->q[0]));
		kfd_queue_free(&self->q[0]);
		if (i % 3)
			finish(_metadata, self, 1);
		destroy(_metadata, self, 1);
		EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
		nothing_is_left(_metadata, self);
	}
}

/* A forked child can do nothing with the file that it inherits, and does no harm */
KFD_TEST(forked_child)
{
	struct kfd_ioctl_gpreempt_args args;
	struct kfd_queue *q = &self->q[0];
	pid_t pid, owner = getpid();
	struct kfd own;
	int status;
	void *p;

	create(_metadata, self, 0, 7);
	launch(_metadata, self, 0);
	ASSERT_EQ(0, kfd_queue_preempt(q, SAVE, 0));
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		CHILD_CHECK(kfd_queue_resume(q) == -EBADF);
		CHILD_CHECK(kfd_resume(&self->kfd, owner, q->id) == -EBADF);
		CHILD_CHECK(kfd_queue_preempt(q, SAVE, 0) == -EBADF);
		CHILD_CHECK(kfd_gpreempt_query(&self->kfd, q, &args) == -EBADF);
		CHILD_CHECK(kfd_queue_update(q) == -EBADF);
		CHILD_CHECK(kfd_queue_destroy(q) == -EBADF);
		p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, self->kfd.fd,
			 self->kfd.doorbell_offset);
		CHILD_CHECK(p == MAP_FAILED);
		/* With one of its own it is a client like any other */
		CHILD_CHECK(!kfd_open(&own));
		CHILD_CHECK(kfd_resume(&own, owner, q->id) == -EBUSY);
		CHILD_CHECK(kfd_preempt(&own, owner, q->id, SAVE, 0) == -EBUSY);
		CHILD_CHECK(kfd_resume(&own, 0, q->id) == -EINVAL);
		kfd_close(&own);
		_exit(0);
	}
	ASSERT_LT(0, pid);
	EXPECT_TRUE(end_child(pid));
	/* A doorbell is not inherited */
	pid = fork();
	if (!pid) {
		__atomic_store_n(q->doorbell, 0, __ATOMIC_RELEASE);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	/* It was not the last file of its kind */
	EXPECT_TRUE(stays(q, PREEMPTED));
	ASSERT_EQ(0, kfd_queue_resume(q));
	finish(_metadata, self, 0);
}

/* value[]: of the queue */
enum { OWNER, QUEUE };

static void heir(struct shared *s, struct kfd *kfd)
{
	int fd = dup(kfd->fd);

	CHILD_CHECK(fd >= 0);
	set_step(s, 1);
	CHILD_CHECK(wait_step(s, 2));
	CHILD_CHECK(kfd_resume(kfd, s->value[OWNER], s->value[QUEUE]) == -EBADF);
	close(fd);
	set_step(s, 3);
	CHILD_CHECK(wait_step(s, 4));
	close(kfd->fd);
	set_step(s, 5);
	CHILD_CHECK(wait_step(s, 6));
	set_step(s, 7);
	_exit(0);
}

static void testator(struct shared *s)
{
	struct kfd kfd;
	pid_t pid;

	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(!kfd_preempt(&kfd, s->value[OWNER], s->value[QUEUE], SAVE, 0));
	pid = fork();
	CHILD_CHECK(pid >= 0);
	if (!pid)
		heir(s, &kfd);
	CHILD_CHECK(wait_step(s, 1));
	if (!s->stop)
		_exit(0);
	pause();
}

/* A hold ends with the last reference to its file, whoever has that */
KFD_TEST(inherited_hold)
{
	struct shared *s = shared_page();
	struct kfd_queue *q = &self->q[0];
	pid_t pid;

	ASSERT_NE(NULL, s);
	create(_metadata, self, 0, 7);
	launch(_metadata, self, 0);
	s->value[OWNER] = getpid();
	s->value[QUEUE] = q->id;
	/* The holder exits, and is killed, before its child */
	for (s->stop = 0; s->stop < 2; s->stop++) {
		set_step(s, 0);
		pid = start_child(&self->kfd, testator, s);
		ASSERT_LT(0, pid);
		ASSERT_TRUE(wait_step(s, 1));
		EXPECT_TRUE(s->stop ? kill_child(pid) : end_child(pid));
		EXPECT_TRUE(stays(q, PREEMPTED));
		EXPECT_EQ(-EBUSY, kfd_queue_resume(q));
		set_step(s, 2);
		ASSERT_TRUE(wait_step(s, 3));
		EXPECT_TRUE(stays(q, PREEMPTED));
		set_step(s, 4);
		ASSERT_TRUE(wait_step(s, 5));
		EXPECT_TRUE(wait_state(q, ACTIVE));
		set_step(s, 6);
		ASSERT_TRUE(wait_step(s, 7));
	}
	finish(_metadata, self, 0);
}

static void executes(struct shared *s)
{
	struct kfd kfd;

	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(!kfd_preempt(&kfd, s->value[OWNER], s->value[QUEUE], SAVE, 0));
	set_step(s, 1);
	CHILD_CHECK(wait_step(s, 2));
	execl("/bin/busybox", "sleep", "1000", NULL);
	_exit(1);
}

/* A file that is closed on exec() holds nothing in the new program */
KFD_TEST(closed_on_exec)
{
	struct shared *s = shared_page();
	struct kfd_queue *q = &self->q[0];
	pid_t pid;

	ASSERT_NE(NULL, s);
	if (access("/bin/busybox", X_OK))
		SKIP(return, "no busybox to execute");
	create(_metadata, self, 0, 7);
	launch(_metadata, self, 0);
	s->value[OWNER] = getpid();
	s->value[QUEUE] = q->id;
	pid = start_child(&self->kfd, executes, s);
	ASSERT_LT(0, pid);
	ASSERT_TRUE(wait_step(s, 1));
	EXPECT_TRUE(stays(q, PREEMPTED));
	set_step(s, 2);
	EXPECT_TRUE(wait_state(q, ACTIVE));
	EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG));
	EXPECT_TRUE(kill_child(pid));
	finish(_metadata, self, 0);
}

static void leaves_heir(struct shared *s)
{
	struct kfd_queue_opts opts = { .has_priority = true, .priority = 3 };
	struct kfd_queue q[2];
	struct kfd_job job[2];
	struct kfd kfd;
	pid_t pid;
	int i;

	CHILD_CHECK(!kfd_open(&kfd));
	for (i = 0; i < 2; i++) {
		CHILD_CHECK(!kfd_queue_create(&kfd, &q[i], &opts));
		CHILD_CHECK(!kfd_job_init(&kfd, &job[i], GFX942_WAIT, 100, 1));
		kfd_job_submit(&job[i], &q[i]);
		CHILD_CHECK(!wait_launched(&q[i], 1));
	}
	CHILD_CHECK(!kfd_queue_preempt(&q[0], SAVE, 0));
	pid = fork();
	CHILD_CHECK(pid >= 0);
	if (!pid) {
		set_step(s, 1);
		CHILD_CHECK(wait_step(s, 2));
		CHILD_CHECK(kfd_queue_resume(&q[0]) == -EBADF);
		set_step(s, 3);
		_exit(0);
	}
	CHILD_CHECK(wait_step(s, 1));
	if (s->stop)
		raise(SIGKILL);
}

/* Queues end with their process, although a child has its files and one is preempted */
KFD_TEST(parent_exits_first)
{
	struct kfd_ioctl_gpreempt_args args;
	struct shared *s = shared_page();
	pid_t pid;
	int status;

	ASSERT_NE(NULL, s);
	ASSERT_TRUE(others_are_gone());
	create(_metadata, self, 0, 7);
	for (s->stop = 0; s->stop < 2; s->stop++) {
		set_step(s, 0);
		pid = start_child(&self->kfd, leaves_heir, s);
		ASSERT_LT(0, pid);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(1, get_step(s));
		EXPECT_EQ(-ESRCH, kfd_gpreempt_query_of(&self->kfd, pid, 0, 0, &args));
		EXPECT_EQ(-ESRCH, kfd_resume(&self->kfd, pid, 0));
		/* The place is free */
		ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[0], GFX942_COUNT,
					  self->kfd.gpu.wave_slots, LOOPS_MS(1)));
		kfd_job_submit(&self->job[0], &self->q[0]);
		ASSERT_EQ(0, kfd_job_wait(&self->job[0], KFD_TIMEOUT_MS));
		EXPECT_EQ(0, kfd_job_wrong(&self->job[0], 1));
		set_step(s, 2);
		ASSERT_TRUE(wait_step(s, 3));
		ASSERT_TRUE(others_are_gone());
	}
	destroy(_metadata, self, 0);
	nothing_is_left(_metadata, self);
}

#define WAITERS		8

struct waiter {
	pthread_t thread;
	struct kfd *kfd;
	struct kfd_event ev;
	int result;
};

static void *wait_for_event(void *arg)
{
	struct waiter *w = arg;

	__atomic_store_n(&w->result, kfd_event_wait(w->kfd, &w->ev, KFD_TIMEOUT_MS),
			 __ATOMIC_RELEASE);
	return NULL;
}

static void no_action(int sig)
{
	(void)sig;
}

/* Signals for the process, which interrupt what it waits for */
static void alarms(unsigned int every_us)
{
	struct itimerval it = { .it_interval.tv_usec = every_us, .it_value.tv_usec = every_us };
	struct sigaction sa = { .sa_handler = no_action };

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
}

/* Who waits for an event of a preempted queue waits, and no longer than he asked for */
KFD_TEST(events)
{
	struct kfd *kfd = &self->kfd;
	struct waiter w[WAITERS];
	__u64 start;
	int i, k;

	create(_metadata, self, 0, 3);
	for (i = 0; i < WAITERS; i++) {
		w[i].kfd = kfd;
		w[i].result = 1;
		ASSERT_EQ(0, kfd_event_create(kfd, &w[i].ev));
		ASSERT_EQ(0, kfd_job_init(kfd, &self->job[i], GFX942_COUNT, 50, LOOPS_MS(1)));
		kfd_event_attach(kfd, &w[i].ev, self->job[i].signal);
	}
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	for (i = 0; i < WAITERS; i++)
		kfd_job_submit(&self->job[i], &self->q[0]);
	/* With signals and without */
	for (i = 0; i < 2; i++) {
		start = kfd_now_us();
		EXPECT_EQ(-ETIME, kfd_event_wait(kfd, &w[0].ev, 100));
		start = kfd_now_us() - start;
		/* The driver counts jiffies, 10 ms at most */
		EXPECT_LE(80000, start);
		EXPECT_EQ(-ETIME, kfd_event_wait(kfd, &w[0].ev, 0));
		if (!i)
			alarms(3000);
	}
	for (i = 0; i < WAITERS; i++)
		ASSERT_EQ(0, pthread_create(&w[i].thread, NULL, wait_for_event, &w[i]));
	usleep(WHILE_US);
	for (i = 0; i < WAITERS; i++)
		EXPECT_EQ(1, __atomic_load_n(&w[i].result, __ATOMIC_ACQUIRE));
	/* Interrupted as well */
	for (k = 0; k < 20; k++) {
		ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
		ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	}
	ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	for (i = 0; i < WAITERS; i++) {
		pthread_join(w[i].thread, NULL);
		EXPECT_EQ(0, w[i].result);
		EXPECT_TRUE(kfd_job_done(&self->job[i]));
		EXPECT_EQ(0, kfd_job_wrong(&self->job[i], 1));
	}
	alarms(0);
}

struct setter {
	pthread_t thread;
	struct kfd *kfd;
	__u32 id;
	int stop;
};

static void *set_events(void *arg)
{
	struct setter *s = arg;
	struct kfd_ioctl_set_event_args args = { .event_id = s->id };

	while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
		if (kfd_ioctl(s->kfd, AMDKFD_IOC_SET_EVENT, &args))
			break;
		usleep(100);
	}
	return NULL;
}

/* Events by the thousand are no reason to wait for, or to keep off, a preemption */
KFD_TEST(event_storm)
{
	struct kfd *kfd = &self->kfd;
	struct kfd_event ev, done;
	struct setter s = { .kfd = kfd };
	int i;

	ASSERT_EQ(0, kfd_event_create(kfd, &ev));
	ASSERT_EQ(0, kfd_event_create(kfd, &done));
	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	ASSERT_EQ(0, kfd_job_init(kfd, &self->job[1], GFX942_COUNT, 64, LOOPS_MS(1)));
	kfd_event_attach(kfd, &done, self->job[1].signal);
	launch(_metadata, self, 0);
	s.id = ev.id;
	ASSERT_EQ(0, pthread_create(&s.thread, NULL, set_events, &s));
	for (i = 1; i <= 10; i++) {
		kfd_job_submit(&self->job[1], &self->q[1]);
		ASSERT_EQ(0, kfd_event_wait(kfd, &done, KFD_TIMEOUT_MS));
		EXPECT_EQ(0, kfd_job_wrong(&self->job[1], i));
		ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
		ASSERT_EQ(0, kfd_event_wait(kfd, &ev, KFD_TIMEOUT_MS));
		EXPECT_EQ(PREEMPTED, queue_state(&self->q[0]));
		ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	}
	__atomic_store_n(&s.stop, 1, __ATOMIC_RELEASE);
	pthread_join(s.thread, NULL);
	finish(_metadata, self, 0);
}

/* Ways of a page to be another one than before, all zeros; the last two are others' doing */
enum disturbance { ZAP, REPLACE, MOVE, RECLAIM, COPY, PUNCH };

static void disturb(struct __test_metadata *_metadata, enum disturbance how,
		    struct kfd_mem *mem, int fd)
{
	int prot = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
	void *p;
	pid_t pid;

	switch (how) {
	case ZAP:
		ASSERT_EQ(0, madvise(mem->cpu, mem->size, MADV_DONTNEED));
		break;
	case REPLACE:
		ASSERT_EQ(mem->cpu, mmap(mem->cpu, mem->size, prot, flags | MAP_FIXED, -1, 0));
		break;
	case MOVE:
		p = mmap(NULL, mem->size, prot, flags, -1, 0);
		ASSERT_NE(MAP_FAILED, p);
		memset(p, 0, mem->size);
		ASSERT_EQ(mem->cpu, mremap(p, mem->size, mem->size,
					   MREMAP_MAYMOVE | MREMAP_FIXED, mem->cpu));
		break;
	case RECLAIM:
		/* Nobody wants them, so no swap is needed to get rid of them */
		ASSERT_EQ(0, madvise(mem->cpu, mem->size, MADV_FREE));
		ASSERT_EQ(0, madvise(mem->cpu, mem->size, MADV_PAGEOUT));
		break;
	case COPY:
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			usleep(2000);
			_exit(0);
		}
		memset(mem->cpu, 0, mem->size);
		ASSERT_TRUE(end_child(pid));
		break;
	case PUNCH:
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			_exit(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
					mem->size) ? 1 : 0);
		ASSERT_TRUE(end_child(pid));
		break;
	}
}

/* The memory in which waves count moves while they wait, run, and are preempted */
static void disturbed(struct __test_metadata *_metadata, struct _test_data_kfd *self,
		      enum disturbance how)
{
	struct kfd_queue *q = &self->q[0];
	struct kfd_mem counters;
	size_t size = 16 * 4096;
	void *addr = NULL;
	int i, fd = -1;

	if (how == PUNCH) {
		fd = memfd_create("counters", MFD_CLOEXEC);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, ftruncate(fd, size));
		addr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		ASSERT_NE(MAP_FAILED, addr);
	}
	ASSERT_EQ(0, kfd_mem_userptr(&self->kfd, &counters, addr, size));
	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	ASSERT_EQ(0, kfd_job_init_counters(&self->kfd, &self->job[0], GFX942_WAIT, 300, 1,
					   &counters));
	kfd_job_submit(&self->job[0], q);
	ASSERT_EQ(0, wait_launched(q, 1));
	for (i = 0; i < 4; i++) {
		/* Before, and in a race; while preempted; after, and in a race */
		disturb(_metadata, how, &counters, fd);
		if (i & 1)
			usleep(5000);
		ASSERT_EQ(0, kfd_queue_preempt(q, SAVE, 0));
		disturb(_metadata, how, &counters, fd);
		if (i & 2)
			usleep(5000);
		EXPECT_EQ(PREEMPTED, queue_state(q));
		ASSERT_EQ(0, kfd_queue_resume(q));
		disturb(_metadata, how, &counters, fd);
	}
	for (i = 0; i < 4; i++) {
		occupy(_metadata, self, 1, 100);
		if (i & 1)
			disturb(_metadata, how, &counters, fd);
		ASSERT_TRUE(wait_state(q, PREEMPTED));
		disturb(_metadata, how, &counters, fd);
		if (i & 2)
			usleep(5000);
		/* While the high one is evicted too, the low one may be put back */
		ASSERT_TRUE(wait_state(q, PREEMPTED));
		kfd_job_release(&self->job[1]);
		disturb(_metadata, how, &counters, fd);
		finish(_metadata, self, 1);
		ASSERT_TRUE(wait_state(q, ACTIVE));
	}
	/* They end after all that, and once more are kept from it */
	ASSERT_EQ(0, kfd_queue_preempt(q, SAVE, 0));
	disturb(_metadata, how, &counters, fd);
	kfd_job_release(&self->job[0]);
	usleep(20000);
	EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
	ASSERT_EQ(0, kfd_queue_resume(q));
	finish(_metadata, self, 0);
}

/* Each workgroup once, and not before the RESUME, though MADV_DONTNEED evicts its process */
KFD_TEST(userptr_zapped)
{
	disturbed(_metadata, self, ZAP);
}

/* The same with another mapping in the place */
KFD_TEST(userptr_replaced)
{
	disturbed(_metadata, self, REPLACE);
}

/* The same with pages from elsewhere */
KFD_TEST(userptr_moved)
{
	disturbed(_metadata, self, MOVE);
}

/* The same when the kernel reclaims the pages */
KFD_TEST(userptr_reclaimed)
{
	disturbed(_metadata, self, RECLAIM);
}

/* The same with pages that are copied because a child has them too */
KFD_TEST(userptr_copied)
{
	disturbed(_metadata, self, COPY);
}

/* The same when another process takes the pages from the file they belong to */
KFD_TEST(userptr_punched)
{
	disturbed(_metadata, self, PUNCH);
}

/* Is told by value[0] to begin and to end its work, and tells so in value[1] */
static void high_on_demand(struct shared *s)
{
	struct kfd_queue_opts opts = { .has_priority = true, .priority = 12 };
	struct kfd_queue q;
	struct kfd_job job;
	struct kfd kfd;
	__u64 n;

	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(!kfd_queue_create(&kfd, &q, &opts));
	CHILD_CHECK(!kfd_job_init(&kfd, &job, GFX942_WAIT, 64, 1));
	for (n = 1;; n++) {
		CHILD_CHECK(wait_value(&s->value[0], n));
		if (s->stop)
			break;
		if (n & 1) {
			__atomic_store_n(job.flag, 0, __ATOMIC_RELEASE);
			kfd_job_submit(&job, &q);
		} else {
			kfd_job_release(&job);
			CHILD_CHECK(!kfd_job_wait(&job, KFD_TIMEOUT_MS));
			CHILD_CHECK(!kfd_job_wrong(&job, n / 2));
		}
		__atomic_store_n(&s->value[1], n, __ATOMIC_RELEASE);
	}
}

static bool high_goes_on(struct shared *s)
{
	__u64 n = __atomic_add_fetch(&s->value[0], 1, __ATOMIC_SEQ_CST);

	return wait_value(&s->value[1], n);
}

/* Evicted and held by the monitor are two reasons not to run, in any order */
KFD_TEST(evict_held)
{
	struct shared *s = shared_page();
	struct kfd_queue *q = &self->q[0];
	pid_t pid;
	int i;

	ASSERT_NE(NULL, s);
	if (!kfd_mock_present())
		SKIP(return, "needs the mock GPU");
	pid = start_child(&self->kfd, high_on_demand, s);
	ASSERT_LT(0, pid);
	create(_metadata, self, 0, 3);
	create_disabled(_metadata, self, 1);
	for (i = 0; i < 6; i++) {
		launch(_metadata, self, 0);
		if (i < 4) {
			ASSERT_TRUE(high_goes_on(s));
			ASSERT_TRUE(wait_state(q, PREEMPTED));
			ASSERT_EQ(0, evict("on"));
			EXPECT_TRUE(stays(q, PREEMPTED));
		} else {
			/* There is nothing to take off yet */
			ASSERT_EQ(0, evict("on"));
			ASSERT_TRUE(high_goes_on(s));
			usleep(WHILE_US);
			ASSERT_EQ(0, evict("off"));
			ASSERT_TRUE(wait_state(q, PREEMPTED));
		}
		kfd_job_release(&self->job[0]);
		if (i & 1) {
			if (i < 4)
				ASSERT_EQ(0, evict("off"));
			EXPECT_TRUE(stays(q, PREEMPTED));
			EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
			ASSERT_TRUE(high_goes_on(s));
		} else {
			ASSERT_TRUE(high_goes_on(s));
			if (i < 4) {
				usleep(WHILE_US);
				update_disabled(_metadata, self, 1);
				EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
				ASSERT_EQ(0, evict("off"));
			}
		}
		ASSERT_TRUE(wait_state(q, ACTIVE));
		finish(_metadata, self, 0);
	}
	s->stop = 1;
	__atomic_add_fetch(&s->value[0], 1, __ATOMIC_SEQ_CST);
	EXPECT_TRUE(end_child(pid));
	for (i = 0; i < 2; i++)
		destroy(_metadata, self, i);
	nothing_is_left(_metadata, self);
}

/* On the second GPU, of the same process */
static void on_second(struct __test_metadata *_metadata, struct kfd *kfd, struct kfd_queue *q,
		      struct kfd_job *job)
{
	struct kfd_queue_opts opts = { .has_priority = true, .priority = 3 };

	ASSERT_EQ(0, kfd_queue_create(kfd, q, &opts));
	ASSERT_EQ(0, kfd_job_init(kfd, job, GFX942_WAIT, 100, 1));
	kfd_job_submit(job, q);
	ASSERT_EQ(0, wait_launched(q, 1));
}

/* With queues on two GPUs, preemption on one is no matter of the other; a close is of both */
KFD_TEST(two_gpus)
{
	struct kfd_queue *q0 = &self->q[0], *q1 = &self->q[1];
	struct kfd second, file = self->kfd;
	struct kfd_mem victim;
	__u64 before;
	int i;

	if (getenv("KFD_GPU"))
		SKIP(return, "which GPU is the second one?");
	i = kfd_open_nth(&second, 1);
	if (i == -ENODEV)
		SKIP(return, "needs two GPUs");
	ASSERT_EQ(0, i);
	ASSERT_EQ(0, kfd_mem_userptr(&self->kfd, &victim, NULL, 16 * 4096));
	create(_metadata, self, 0, 3);
	launch(_metadata, self, 0);
	on_second(_metadata, &second, q1, &self->job[1]);
	before = query(&second, NULL).preemptions;

	/* Their process is evicted from both meanwhile */
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, kfd_queue_preempt(q0, SAVE, 0));
		memset(victim.cpu, i, victim.size);
		ASSERT_EQ(0, madvise(victim.cpu, victim.size, MADV_DONTNEED));
		if (i & 1)
			usleep(5000);
		EXPECT_EQ(ACTIVE, queue_state(q1));
		EXPECT_EQ(PREEMPTED, queue_state(q0));
		ASSERT_EQ(0, kfd_queue_resume(q0));
	}
	ASSERT_EQ(0, kfd_queue_preempt(q0, SAVE, 0));
	kfd_job_release(&self->job[0]);
	finish(_metadata, self, 1);
	EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
	EXPECT_EQ(before, query(&second, NULL).preemptions);
	ASSERT_EQ(0, kfd_queue_resume(q0));
	finish(_metadata, self, 0);
	ASSERT_EQ(0, kfd_queue_destroy(q1));

	/* One file holds on both */
	launch(_metadata, self, 0);
	on_second(_metadata, &second, q1, &self->job[1]);
	file.fd = open("/dev/kfd", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, file.fd);
	ASSERT_EQ(0, kfd_preempt(&file, 0, q0->id, SAVE, 0));
	ASSERT_EQ(0, kfd_preempt(&file, 0, q1->id, SAVE, 0));
	EXPECT_EQ(-EBUSY, kfd_queue_resume(q1));
	close(file.fd);
	EXPECT_EQ(ACTIVE, queue_state(q0));
	EXPECT_EQ(ACTIVE, queue_state(q1));
	for (i = 0; i < 2; i++)
		finish(_metadata, self, i);
}

TEST_HARNESS_MAIN
