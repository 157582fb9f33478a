// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of user compute queues as any amdkfd has them: the ground that
 * preemption stands on. Every workgroup of every dispatch adds one to a
 * counter of its own, so that work lost or run twice is seen.
 */
#include <sys/ioctl.h>
#include <sys/time.h>
#include "kfd_test.h"

FIXTURE_SETUP(kfd)
{
	int r;

	self->violations = kfd_mock_violations();
	r = test_open(&self->kfd);
	if (r == -ENODEV)
		SKIP(return, "no gfx94x GPU");
	ASSERT_EQ(0, r);
}

/* Without CWSR, waves that wait for the test keep their queue on the hardware */
static bool no_cwsr(void)
{
	return !kfd_module_param("cwsr_enable", 1);
}

KFD_TEST(run_once)
{
	__u32 w = self->kfd.gpu.wave_slots / 2;

	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[0], GFX942_COUNT, w, LOOPS_MS(1)));
	kfd_job_submit(&self->job[0], &self->q[0]);
	ASSERT_EQ(0, kfd_job_wait(&self->job[0], KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(&self->job[0], 1));
	EXPECT_EQ(1, kfd_queue_rptr(&self->q[0]));
	EXPECT_EQ(0, kfd_queue_destroy(&self->q[0]));
}

KFD_TEST(store)
{
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[0], GFX942_STORE, 100, 0));
	self->job[0].arg->value = 0xcafe;
	kfd_job_submit(&self->job[0], &self->q[0]);
	ASSERT_EQ(0, kfd_job_wait(&self->job[0], KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(&self->job[0], 0xcafe));
}

/* More workgroups than the device holds, a number that no XCC count divides */
KFD_TEST(wide)
{
	__u32 w = self->kfd.gpu.wave_slots * 3 + 7;

	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[0], GFX942_COUNT, w, LOOPS_MS(2)));
	kfd_job_submit_n(&self->job[0], &self->q[0], 3);
	ASSERT_EQ(0, kfd_job_wait(&self->job[0], KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(&self->job[0], 3));
	/* Without barrier bits they share the device */
	self->job[0].overlap = true;
	kfd_job_submit_n(&self->job[0], &self->q[0], 3);
	ASSERT_EQ(0, kfd_job_wait(&self->job[0], KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(&self->job[0], 6));
}

KFD_TEST(ring_wraps)
{
	struct kfd_queue_opts opts = { .ring_size = 4096, .cwsr = KFD_CWSR_VRAM };

	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], &opts));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[0], GFX942_COUNT, 20, 1));
	self->job[0].overlap = true;
	kfd_job_submit_n(&self->job[0], &self->q[0], 300);
	ASSERT_EQ(0, kfd_job_wait(&self->job[0], KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(&self->job[0], 300));
	EXPECT_EQ(300, kfd_queue_rptr(&self->q[0]));
}

/* Submission before the queue may run */
KFD_TEST(create_disabled)
{
	struct kfd_queue_opts opts = { .disabled = true };

	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], &opts));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[0], GFX942_COUNT, 10, 0));
	kfd_job_submit_n(&self->job[0], &self->q[0], 3);
	usleep(20000);
	EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
	EXPECT_EQ(0, kfd_queue_rptr(&self->q[0]));
	self->q[0].percent = 100;
	ASSERT_EQ(0, kfd_queue_update(&self->q[0]));
	ASSERT_EQ(0, kfd_job_wait(&self->job[0], KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(&self->job[0], 3));
}

static void many_queues(struct __test_metadata *_metadata, struct _test_data_kfd *self, int n)
{
	struct kfd_queue_opts opts = { .ring_size = 4096, .cwsr = KFD_CWSR_VRAM };
	int i;

	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[i], &opts));
		ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[i], GFX942_COUNT, 64,
					  LOOPS_MS(1)));
	}
	for (i = 0; i < n; i++)
		kfd_job_submit_n(&self->job[i], &self->q[i], 10);
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, kfd_job_wait(&self->job[i], KFD_TIMEOUT_MS));
		EXPECT_EQ(0, kfd_job_wrong(&self->job[i], 10));
	}
	/* Again, with half of the queues gone */
	for (i = 0; i < n; i += 2) {
		ASSERT_EQ(0, kfd_queue_destroy(&self->q[i]));
		kfd_queue_free(&self->q[i]);
	}
	for (i = 1; i < n; i += 2)
		kfd_job_submit(&self->job[i], &self->q[i]);
	for (i = 1; i < n; i += 2) {
		ASSERT_EQ(0, kfd_job_wait(&self->job[i], KFD_TIMEOUT_MS));
		EXPECT_EQ(0, kfd_job_wrong(&self->job[i], 11));
	}
}

KFD_TEST(several_queues)
{
	many_queues(_metadata, self, 8);
}

KFD_TEST(more_queues_than_slots)
{
	if (kfd_no_hws())
		SKIP(return, "without HWS a queue needs a slot");
	many_queues(_metadata, self, self->kfd.gpu.queue_slots + 8);
}

KFD_TEST(slots_come_back)
{
	struct kfd_queue_opts opts = { .ring_size = 4096, .cwsr = KFD_CWSR_VRAM };
	int i, n, r = 0;

	if (!kfd_no_hws())
		SKIP(return, "with HWS queues are not bound to slots");
	for (n = 0; n < MAX_QUEUES; n++) {
		r = kfd_queue_create(&self->kfd, &self->q[n], &opts);
		if (r)
			break;
	}
	EXPECT_EQ(-EBUSY, r);
	ASSERT_LT(0, n);
	for (i = 0; i < n; i++)
		ASSERT_EQ(0, kfd_queue_destroy(&self->q[i]));
	for (i = 0; i < n; i++)
		kfd_queue_free(&self->q[i]);
	for (i = 0; i < n; i++)
		ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[i], &opts));
}

static void busy_child(struct shared *s)
{
	struct kfd_queue q;
	struct kfd_job job;
	struct kfd kfd;

	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(!kfd_queue_create(&kfd, &q, NULL));
	CHILD_CHECK(!kfd_job_init(&kfd, &job, GFX942_COUNT, 200, LOOPS_MS(1)));
	__atomic_add_fetch(&s->value[0], 1, __ATOMIC_SEQ_CST);
	CHILD_CHECK(wait_step(s, 1));
	kfd_job_submit_n(&job, &q, 10);
	CHILD_CHECK(!kfd_job_wait(&job, KFD_TIMEOUT_MS));
	CHILD_CHECK(!kfd_job_wrong(&job, 10));
}

static void many_processes(struct __test_metadata *_metadata, struct _test_data_kfd *self, int n)
{
	struct shared *s = shared_page();
	pid_t pid[64];
	int i;

	ASSERT_NE(NULL, s);
	for (i = 0; i < n; i++) {
		pid[i] = start_child(&self->kfd, busy_child, s);
		ASSERT_LT(0, pid[i]);
	}
	EXPECT_TRUE(wait_value(&s->value[0], n));
	set_step(s, 1);
	for (i = 0; i < n; i++)
		EXPECT_TRUE(end_child(pid[i]));
}

KFD_TEST(two_processes)
{
	many_processes(_metadata, self, 2);
}

KFD_TEST(more_processes_than_vmids)
{
	if (kfd_no_hws())
		SKIP(return, "without HWS a process needs a VMID");
	many_processes(_metadata, self, 20);
}

/*
 * Another ring, at another address. The device knows its place modulo the size
 * of the ring, so a size may change while the place is the same in both.
 */
KFD_TEST(update_ring)
{
	struct kfd_mem small, other;
	int i;

	ASSERT_EQ(0, kfd_mem_alloc(&self->kfd, &small, 4096, KFD_IOC_ALLOC_MEM_FLAGS_GTT));
	ASSERT_EQ(0, kfd_mem_alloc(&self->kfd, &other, 65536, KFD_IOC_ALLOC_MEM_FLAGS_GTT));
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[0], GFX942_COUNT, 30, 1));
	kfd_job_submit_n(&self->job[0], &self->q[0], 30);
	ASSERT_EQ(0, kfd_job_wait(&self->job[0], KFD_TIMEOUT_MS));
	ASSERT_EQ(0, kfd_queue_set_ring(&self->q[0], &small));
	kfd_job_submit_n(&self->job[0], &self->q[0], 20);
	ASSERT_EQ(0, kfd_job_wait(&self->job[0], KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(&self->job[0], 50));
	/* Back to the old one, larger */
	ASSERT_EQ(0, kfd_queue_set_ring(&self->q[0], &small));
	for (i = 1; i <= 20; i++) {
		kfd_job_submit_n(&self->job[0], &self->q[0], 100);
		ASSERT_EQ(0, kfd_job_wait(&self->job[0], KFD_TIMEOUT_MS));
		EXPECT_EQ(0, kfd_job_wrong(&self->job[0], 50 + i * 100));
		ASSERT_EQ(0, kfd_queue_set_ring(&self->q[0], &other));
	}
	EXPECT_EQ(2050, kfd_queue_rptr(&self->q[0]));
	EXPECT_EQ(0, kfd_mem_free(&self->kfd, &small));
	EXPECT_EQ(0, kfd_mem_free(&self->kfd, &other));
}

/* An update takes the queue off the hardware: its waves must come back */
KFD_TEST(update_running)
{
	struct kfd_job *wait = &self->job[0], *next = &self->job[1];
	__u32 w = self->kfd.gpu.wave_slots / 2;
	int i;

	if (no_cwsr())
		SKIP(return, "the waves of a queue cannot be saved");
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, wait, GFX942_WAIT, w, LOOPS_MS(2)));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, next, GFX942_COUNT, w, LOOPS_MS(1)));
	kfd_job_submit(wait, &self->q[0]);
	kfd_job_submit_n(next, &self->q[0], 3);
	ASSERT_EQ(0, wait_launched(&self->q[0], 1));
	for (i = 0; i <= 15; i++) {
		self->q[0].priority = i;
		ASSERT_EQ(0, kfd_queue_update(&self->q[0]));
	}
	kfd_job_release(wait);
	ASSERT_EQ(0, kfd_job_wait(wait, KFD_TIMEOUT_MS));
	ASSERT_EQ(0, kfd_job_wait(next, KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(wait, 1));
	EXPECT_EQ(0, kfd_job_wrong(next, 3));
	EXPECT_EQ(4, kfd_queue_rptr(&self->q[0]));
}

KFD_TEST(update_percent)
{
	struct kfd_job *wait = &self->job[0];
	struct kfd_wave_state ws;
	__u32 i;

	if (no_cwsr())
		SKIP(return, "the waves of a queue cannot be saved");
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], NULL));
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[1], NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, wait, GFX942_WAIT, 128, 1));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[1], GFX942_COUNT, 10, 1));
	kfd_job_submit(wait, &self->q[0]);
	ASSERT_EQ(0, wait_launched(&self->q[0], 1));
	EXPECT_EQ(-EINVAL, kfd_queue_wave_state(&self->q[0], &ws));

	self->q[0].percent = 0;
	ASSERT_EQ(0, kfd_queue_update(&self->q[0]));
	/* The waves are in the save area, on each XCC */
	ASSERT_EQ(0, kfd_queue_wave_state(&self->q[0], &ws));
	for (i = 0; i < self->kfd.gpu.xccs; i++) {
		EXPECT_LT(0, ws.ctl_stack[i]);
		EXPECT_LT(0, ws.waves[i]);
	}
	kfd_job_release(wait);
	kfd_job_submit(&self->job[1], &self->q[1]);
	ASSERT_EQ(0, kfd_job_wait(&self->job[1], KFD_TIMEOUT_MS));
	usleep(20000);
	EXPECT_EQ(0, kfd_job_sum(wait));

	self->q[0].percent = 100;
	ASSERT_EQ(0, kfd_queue_update(&self->q[0]));
	ASSERT_EQ(0, kfd_job_wait(wait, KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(wait, 1));
	EXPECT_EQ(0, kfd_job_wrong(&self->job[1], 1));
}

KFD_TEST(cu_mask)
{
	struct kfd_job *wait = &self->job[0];
	__u32 mask[32] = { 0 };

	if (no_cwsr())
		SKIP(return, "the waves of a queue cannot be saved");
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, wait, GFX942_WAIT, 64, 1));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[1], GFX942_COUNT,
				  self->kfd.gpu.wave_slots, 1));
	kfd_job_submit(wait, &self->q[0]);
	ASSERT_EQ(0, wait_launched(&self->q[0], 1));
	/* One CU, then all */
	mask[0] = 1;
	ASSERT_EQ(0, kfd_queue_set_cu_mask(&self->q[0], mask, 1024));
	kfd_job_submit(&self->job[1], &self->q[0]);
	kfd_job_release(wait);
	ASSERT_EQ(0, kfd_job_wait(wait, KFD_TIMEOUT_MS));
	ASSERT_EQ(0, kfd_job_wait(&self->job[1], KFD_TIMEOUT_MS));
	memset(mask, 0xff, sizeof(mask));
	ASSERT_EQ(0, kfd_queue_set_cu_mask(&self->q[0], mask, 1024));
	kfd_job_submit(&self->job[1], &self->q[0]);
	ASSERT_EQ(0, kfd_job_wait(&self->job[1], KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(wait, 1));
	EXPECT_EQ(0, kfd_job_wrong(&self->job[1], 2));
	EXPECT_EQ(-EINVAL, kfd_queue_set_cu_mask(&self->q[0], mask, 33));
}

/* The waves of a queue of higher priority take the slots that become free */
KFD_TEST(priority_placement)
{
	struct kfd_queue_opts opts = { .has_priority = true };
	struct kfd_job *block = &self->job[0], *low = &self->job[1], *high = &self->job[2];
	__u32 w = self->kfd.gpu.wave_slots;

	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], NULL));
	opts.priority = 1;
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[1], &opts));
	/* As HIP creates it: 7 first, the priority by an update */
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[2], NULL));
	self->q[2].priority = 15;
	ASSERT_EQ(0, kfd_queue_update(&self->q[2]));

	ASSERT_EQ(0, kfd_job_init(&self->kfd, block, GFX942_WAIT, w, 0));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, low, GFX942_COUNT, w, LOOPS_MS(100)));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, high, GFX942_COUNT, w, LOOPS_MS(100)));
	kfd_job_submit(block, &self->q[0]);
	ASSERT_EQ(0, wait_launched(&self->q[0], 1));
	/* Both are read before there is room for their waves */
	kfd_job_submit(low, &self->q[1]);
	ASSERT_EQ(0, wait_launched(&self->q[1], 1));
	kfd_job_submit(high, &self->q[2]);
	ASSERT_EQ(0, wait_launched(&self->q[2], 1));
	kfd_job_release(block);
	ASSERT_EQ(0, kfd_job_wait(high, KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_sum(low));
	ASSERT_EQ(0, kfd_job_wait(low, KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(low, 1));
	EXPECT_EQ(0, kfd_job_wrong(high, 1));
}

/*
 * The pages of a userptr move or go while waves run: KFD evicts the process
 * and restores it. The counters lie in another userptr, that fork() moves.
 */
KFD_TEST(userptr_eviction)
{
	struct kfd_job *wait = &self->job[0], *work = &self->job[1];
	struct kfd_mem counters, victim[4];
	size_t size = 16 * 4096;
	pid_t pid;
	int i;

	if (no_cwsr())
		SKIP(return, "the waves of a queue cannot be saved");
	ASSERT_EQ(0, kfd_mem_userptr(&self->kfd, &counters, NULL, 4096));
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, kfd_mem_userptr(&self->kfd, &victim[i], NULL, size));
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], NULL));
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[1], NULL));
	ASSERT_EQ(0, kfd_job_init_counters(&self->kfd, wait, GFX942_WAIT, 256, 1, &counters));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, work, GFX942_COUNT, 200, LOOPS_MS(1)));
	kfd_job_submit(wait, &self->q[0]);
	kfd_job_submit_n(work, &self->q[1], 100);
	ASSERT_EQ(0, wait_launched(&self->q[0], 1));

	memset(victim[0].cpu, 1, size);
	ASSERT_EQ(0, madvise(victim[0].cpu, size, MADV_DONTNEED));
	usleep(10000);
	ASSERT_EQ(0, mprotect(victim[1].cpu, size, PROT_READ));
	usleep(10000);
	ASSERT_EQ(0, mprotect(victim[1].cpu, size, PROT_READ | PROT_WRITE));
	usleep(10000);
	ASSERT_EQ(0, munmap(victim[2].cpu, size));
	usleep(10000);
	pid = fork();
	if (!pid)
		_exit(0);
	ASSERT_TRUE(end_child(pid));
	usleep(10000);

	kfd_job_release(wait);
	ASSERT_EQ(0, kfd_job_wait(wait, KFD_TIMEOUT_MS));
	ASSERT_EQ(0, kfd_job_wait(work, KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(wait, 1));
	EXPECT_EQ(0, kfd_job_wrong(work, 100));
}

KFD_TEST(eviction_storm)
{
	struct kfd_job *work = self->job;
	struct kfd_mem victim;
	size_t size = 16 * 4096;
	int i;

	ASSERT_EQ(0, kfd_mem_userptr(&self->kfd, &victim, NULL, size));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[i], NULL));
		ASSERT_EQ(0, kfd_job_init(&self->kfd, &work[i], GFX942_COUNT, 300, LOOPS_MS(2)));
		kfd_job_submit_n(&work[i], &self->q[i], 30);
	}
	for (i = 0; i < 40; i++) {
		memset(victim.cpu, i, size);
		ASSERT_EQ(0, madvise(victim.cpu, size, MADV_DONTNEED));
		usleep(rand() % 5000);
	}
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, kfd_job_wait(&work[i], KFD_TIMEOUT_MS));
		EXPECT_EQ(0, kfd_job_wrong(&work[i], 30));
	}
}

/* The save area itself in VRAM, and in pages that the kernel may move */
KFD_TEST(save_area_elsewhere)
{
	struct kfd_queue_opts opts = { 0 };
	struct kfd_job *wait = self->job;
	int i;

	if (no_cwsr())
		SKIP(return, "the waves of a queue cannot be saved");
	for (i = 0; i < 2; i++) {
		opts.cwsr = i ? KFD_CWSR_USERPTR : KFD_CWSR_VRAM;
		ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[i], &opts));
		ASSERT_EQ(0, kfd_job_init(&self->kfd, &wait[i], GFX942_WAIT, 200, 1));
		kfd_job_submit(&wait[i], &self->q[i]);
		ASSERT_EQ(0, wait_launched(&self->q[i], 1));
		self->q[i].priority = 9;
		ASSERT_EQ(0, kfd_queue_update(&self->q[i]));
		kfd_job_release(&wait[i]);
		ASSERT_EQ(0, kfd_job_wait(&wait[i], KFD_TIMEOUT_MS));
		EXPECT_EQ(0, kfd_job_wrong(&wait[i], 1));
	}
}

KFD_TEST(destroy_running)
{
	struct kfd_job *wait = &self->job[0], *next = &self->job[1];
	int i;

	ASSERT_EQ(0, kfd_job_init(&self->kfd, wait, GFX942_WAIT, 300, 1));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, next, GFX942_COUNT, 300, 1));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], NULL));
		kfd_job_submit(wait, &self->q[0]);
		kfd_job_submit(next, &self->q[0]);
		ASSERT_EQ(0, wait_launched(&self->q[0], 1));
		ASSERT_EQ(0, kfd_queue_destroy(&self->q[0]));
		kfd_queue_free(&self->q[0]);
	}
	kfd_job_release(wait);
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], NULL));
	next->signal->value = 0;
	kfd_job_submit(next, &self->q[0]);
	ASSERT_EQ(0, kfd_job_wait(next, KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(next, 1));
	EXPECT_EQ(0, kfd_job_sum(wait));
}

static void stuck_child(struct shared *s)
{
	struct kfd_queue q[3];
	struct kfd_job job;
	struct kfd kfd;
	int i;

	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(!kfd_job_init(&kfd, &job, GFX942_WAIT, 300, 1));
	for (i = 0; i < 3; i++) {
		CHILD_CHECK(!kfd_queue_create(&kfd, &q[i], NULL));
		kfd_job_submit_n(&job, &q[i], 10);
		CHILD_CHECK(!wait_launched(&q[i], 1));
	}
	set_step(s, 1);
	pause();
}

KFD_TEST(kill_running)
{
	struct kfd_job *work = &self->job[0];
	struct shared *s = shared_page();
	pid_t pid;
	int i;

	/* Others of the device come and go with them */
	if (!kfd_no_hws() && no_cwsr())
		SKIP(return, "the waves of a queue cannot be saved");
	ASSERT_NE(NULL, s);
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, work, GFX942_COUNT, 300, LOOPS_MS(1)));
	for (i = 1; i <= 4; i++) {
		set_step(s, 0);
		pid = start_child(&self->kfd, stuck_child, s);
		ASSERT_LT(0, pid);
		EXPECT_TRUE(wait_step(s, 1));
		kfd_job_submit_n(work, &self->q[0], 10);
		EXPECT_TRUE(kill_child(pid));
		ASSERT_EQ(0, kfd_job_wait(work, KFD_TIMEOUT_MS));
		EXPECT_EQ(0, kfd_job_wrong(work, 10 * i));
	}
}

KFD_TEST(barriers)
{
	struct kfd_job *first = &self->job[0], *second = &self->job[1], *third = &self->job[2];
	struct kfd_signal *deps[2];
	struct kfd_mem page;
	struct kfd_signal *done;
	__u64 end;

	ASSERT_EQ(0, kfd_mem_alloc(&self->kfd, &page, 4096, KFD_IOC_ALLOC_MEM_FLAGS_GTT));
	done = page.cpu;
	memset(done, 0, sizeof(*done));
	done->kind = 1;
	done->value = 1;
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], NULL));
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[1], NULL));
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[2], NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, first, GFX942_WAIT, 64, 1));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, second, GFX942_WAIT, 64, 1));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, third, GFX942_COUNT, 64, 1));
	kfd_job_submit(first, &self->q[0]);
	kfd_job_submit(second, &self->q[1]);
	ASSERT_EQ(0, wait_launched(&self->q[0], 1));
	ASSERT_EQ(0, wait_launched(&self->q[1], 1));
	deps[0] = first->signal;
	deps[1] = second->signal;
	/* One of them ends: OR goes on, AND waits */
	kfd_queue_barrier(&self->q[2], AQL_BARRIER_OR, deps, 2, done);
	kfd_queue_barrier(&self->q[2], AQL_BARRIER_AND, deps, 2, NULL);
	kfd_job_submit(third, &self->q[2]);
	usleep(20000);
	EXPECT_EQ(1, __atomic_load_n(&done->value, __ATOMIC_ACQUIRE));
	kfd_job_release(second);
	ASSERT_EQ(0, kfd_job_wait(second, KFD_TIMEOUT_MS));
	end = kfd_now_us() + KFD_TIMEOUT_MS * 1000ull;
	while (__atomic_load_n(&done->value, __ATOMIC_ACQUIRE) && kfd_now_us() < end)
		usleep(1000);
	EXPECT_EQ(0, __atomic_load_n(&done->value, __ATOMIC_ACQUIRE));
	usleep(20000);
	EXPECT_EQ(0, kfd_job_sum(third));
	kfd_job_release(first);
	ASSERT_EQ(0, kfd_job_wait(third, KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(first, 1));
	EXPECT_EQ(0, kfd_job_wrong(second, 1));
	EXPECT_EQ(0, kfd_job_wrong(third, 1));
}

/* A barrier that waits holds nothing but its own queue, and can be taken off */
KFD_TEST(barrier_update)
{
	struct kfd_job *wait = &self->job[0], *behind = &self->job[1];
	struct kfd_signal *deps[1];

	/* Others of the device come and go with them */
	if (!kfd_no_hws() && no_cwsr())
		SKIP(return, "the waves of a queue cannot be saved");
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], NULL));
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[1], NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, wait, GFX942_WAIT, 64, 1));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, behind, GFX942_COUNT, 64, 1));
	kfd_job_submit(wait, &self->q[0]);
	deps[0] = wait->signal;
	kfd_queue_barrier(&self->q[1], AQL_BARRIER_AND, deps, 1, NULL);
	kfd_job_submit_n(behind, &self->q[1], 5);
	usleep(10000);
	self->q[1].percent = 0;
	ASSERT_EQ(0, kfd_queue_update(&self->q[1]));
	self->q[1].percent = 100;
	ASSERT_EQ(0, kfd_queue_update(&self->q[1]));
	usleep(10000);
	EXPECT_EQ(0, kfd_job_sum(behind));
	kfd_job_release(wait);
	ASSERT_EQ(0, kfd_job_wait(behind, KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(behind, 5));
}

KFD_TEST(events)
{
	struct kfd_event ev[2];
	struct kfd_job *wait = &self->job[0], *other = &self->job[1];

	ASSERT_EQ(0, kfd_event_create(&self->kfd, &ev[0]));
	ASSERT_EQ(0, kfd_event_create(&self->kfd, &ev[1]));
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], NULL));
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[1], NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, wait, GFX942_WAIT, 64, 1));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, other, GFX942_COUNT, 64, 1));
	kfd_event_attach(&self->kfd, &ev[0], wait->signal);
	kfd_event_attach(&self->kfd, &ev[1], other->signal);
	kfd_job_submit(wait, &self->q[0]);
	kfd_job_submit(other, &self->q[1]);
	ASSERT_EQ(0, kfd_event_wait(&self->kfd, &ev[1], KFD_TIMEOUT_MS));
	EXPECT_TRUE(kfd_job_done(other));
	EXPECT_EQ(-ETIME, kfd_event_wait(&self->kfd, &ev[0], 50));
	EXPECT_FALSE(kfd_job_done(wait));
	kfd_job_release(wait);
	ASSERT_EQ(0, kfd_event_wait(&self->kfd, &ev[0], KFD_TIMEOUT_MS));
	EXPECT_TRUE(kfd_job_done(wait));
	EXPECT_EQ(0, kfd_job_wrong(wait, 1));
}

KFD_TEST(bad_arguments)
{
	struct kfd_queue_opts opts = { .has_priority = true, .priority = 16 };
	struct kfd_queue *q = &self->q[0];
	struct kfd_wave_state ws;
	struct kfd_queue none = { .kfd = &self->kfd, .id = 77 };

	EXPECT_EQ(-EINVAL, kfd_queue_create(&self->kfd, q, &opts));
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, q, NULL));
	q->priority = 16;
	EXPECT_EQ(-EINVAL, kfd_queue_update(q));
	q->priority = 7;
	q->percent = 101;
	EXPECT_EQ(-EINVAL, kfd_queue_update(q));
	EXPECT_EQ(-EFAULT, kfd_queue_update(&none));
	EXPECT_EQ(-EFAULT, kfd_queue_wave_state(&none, &ws));
	EXPECT_EQ(-EINVAL, kfd_queue_destroy(&none));
}

/* Needs the mock GPU: the machine goes to sleep and comes back */
KFD_TEST(suspend_resume)
{
	struct kfd_job *wait = &self->job[0], *work = &self->job[1];
	int i;

	if (no_cwsr())
		SKIP(return, "the waves of a queue cannot be saved");
	if (!kfd_mock_present())
		SKIP(return, "needs the mock GPU");
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], NULL));
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[1], NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, wait, GFX942_WAIT, 300, 1));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, work, GFX942_COUNT, 300, LOOPS_MS(1)));
	kfd_job_submit(wait, &self->q[0]);
	kfd_job_submit_n(work, &self->q[1], 50);
	ASSERT_EQ(0, wait_launched(&self->q[0], 1));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, kfd_mock_write("suspend", "1"));
		usleep(5000);
	}
	kfd_job_release(wait);
	ASSERT_EQ(0, kfd_job_wait(wait, KFD_TIMEOUT_MS));
	ASSERT_EQ(0, kfd_job_wait(work, KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(wait, 1));
	EXPECT_EQ(0, kfd_job_wrong(work, 50));
}

static void suspended_child(struct shared *s)
{
	struct kfd_queue q[2];
	struct kfd_job job;
	struct kfd kfd;
	int i;

	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(!kfd_job_init(&kfd, &job, GFX942_WAIT, 300, 1));
	for (i = 0; i < 2; i++) {
		CHILD_CHECK(!kfd_queue_create(&kfd, &q[i], NULL));
		kfd_job_submit(&job, &q[i]);
		CHILD_CHECK(!wait_launched(&q[i], 1));
	}
	set_step(s, 1);
	pause();
}

/* A queue is destroyed and a process dies while the device is suspended */
KFD_TEST(suspend_destroy)
{
	struct kfd_job *wait = &self->job[0], *work = &self->job[1];
	struct shared *s = shared_page();
	pid_t pid;
	int i;

	if (no_cwsr())
		SKIP(return, "the waves of a queue cannot be saved");
	if (!kfd_mock_present())
		SKIP(return, "needs the mock GPU");
	ASSERT_NE(NULL, s);
	ASSERT_EQ(0, kfd_job_init(&self->kfd, wait, GFX942_WAIT, 300, 1));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, work, GFX942_COUNT, 300, LOOPS_MS(1)));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[i], NULL));
	kfd_job_submit(wait, &self->q[0]);
	ASSERT_EQ(0, wait_launched(&self->q[0], 1));
	pid = start_child(&self->kfd, suspended_child, s);
	ASSERT_LT(0, pid);
	EXPECT_TRUE(wait_step(s, 1));

	ASSERT_EQ(0, kfd_mock_write("suspend", "on"));
	EXPECT_EQ(0, kfd_queue_destroy(&self->q[0]));
	EXPECT_EQ(0, kfd_queue_destroy(&self->q[1]));
	kfd_queue_free(&self->q[0]);
	kfd_queue_free(&self->q[1]);
	EXPECT_TRUE(kill_child(pid));
	ASSERT_EQ(0, kfd_mock_write("suspend", "off"));

	EXPECT_EQ(0, kfd_job_sum(wait));
	for (i = 0; i < 3; i++) {
		if (i < 2)
			ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[i], NULL));
		kfd_job_submit(work, &self->q[i]);
		ASSERT_EQ(0, kfd_job_wait(work, KFD_TIMEOUT_MS));
	}
	EXPECT_EQ(0, kfd_job_wrong(work, 3));
}

/* Quiesce and resume, as KFD asks for it when memory moves */
KFD_TEST(evict_restore)
{
	struct kfd_job *wait = &self->job[0];
	char text[32];
	int i;

	if (no_cwsr())
		SKIP(return, "the waves of a queue cannot be saved");
	if (!kfd_mock_present())
		SKIP(return, "needs the mock GPU");
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, wait, GFX942_WAIT, 300, 1));
	kfd_job_submit(wait, &self->q[0]);
	ASSERT_EQ(0, wait_launched(&self->q[0], 1));
	for (i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), "%d on", getpid());
		ASSERT_EQ(0, kfd_mock_write("evict", text));
		if (i == 2) {
			kfd_job_release(wait);
			usleep(20000);
			EXPECT_EQ(0, kfd_job_sum(wait));
		}
		snprintf(text, sizeof(text), "%d off", getpid());
		ASSERT_EQ(0, kfd_mock_write("evict", text));
	}
	ASSERT_EQ(0, kfd_job_wait(wait, KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(wait, 1));
}

#define MOVED_SIZE	(4 << 20)

/* The CPU sees each counter grow, and finds what it wrote, in whichever pages it is */
static void watch_counters(struct shared *s)
{
	__u32 *counter = (__u32 *)(uintptr_t)s->value[0];
	__u32 last[300] = { 0 };
	unsigned int i, round;

	for (round = 0; !get_step(s); round++) {
		for (i = 4096 / 4; i < MOVED_SIZE / 4; i += 4096 / 4) {
			CHILD_CHECK(counter[i] == round);
			counter[i]++;
		}
		for (i = 0; i < 300; i++) {
			__u32 now = __atomic_load_n(&counter[i], __ATOMIC_RELAXED);

			CHILD_CHECK(now >= last[i]);
			last[i] = now;
		}
	}
}

/* For want of VRAM counters and save area move while waves run; KFD brings all back */
KFD_TEST(vram_eviction)
{
	struct kfd_queue_opts opts = { .cwsr = KFD_CWSR_VRAM };
	struct shared *s = shared_page();
	struct kfd_job *work = self->job;
	struct kfd_mem counters;
	char text[32];
	pid_t pid;
	int i;

	ASSERT_NE(NULL, s);
	if (!kfd_mock_present())
		SKIP(return, "needs the mock GPU");
	snprintf(text, sizeof(text), "%d vram", getpid());
	EXPECT_EQ(-ENOENT, kfd_mock_write("evict", text));
	ASSERT_EQ(0, kfd_mem_alloc(&self->kfd, &counters, MOVED_SIZE,
				   KFD_IOC_ALLOC_MEM_FLAGS_VRAM |
				   KFD_IOC_ALLOC_MEM_FLAGS_PUBLIC));
	memset(counters.cpu, 0, counters.size);
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], &opts));
	ASSERT_EQ(0, kfd_job_init_counters(&self->kfd, work, GFX942_COUNT, 300, LOOPS_MS(2),
					   &counters));
	s->value[0] = (uintptr_t)counters.cpu;
	pid = start_child(NULL, watch_counters, s);
	ASSERT_LT(0, pid);
	for (i = 0; i < 4; i++) {
		/* It goes on when all is back */
		kfd_job_submit_n(work, &self->q[0], 30);
		ASSERT_EQ(0, wait_launched(&self->q[0], kfd_queue_rptr(&self->q[0]) + 2));
		ASSERT_EQ(0, kfd_mock_write("evict", text));
	}
	ASSERT_EQ(0, kfd_job_wait(work, KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(work, 4 * 30));
	set_step(s, 1);
	EXPECT_TRUE(end_child(pid));
}

static void take_vram(struct shared *s)
{
	char text[32];
	int r;

	snprintf(text, sizeof(text), "%d vram", getppid());
	set_step(s, 1);
	/* It may be freed before */
	r = kfd_mock_write("evict", text);
	CHILD_CHECK(!r || r == -ENOENT);
	s->value[0] += !r;
}

static void ignore(int sig)
{
	(void)sig;
}

/* Memory that moves is freed, and a signal comes meanwhile */
KFD_TEST(free_moving)
{
	const struct itimerval each_ms = { { 0, 1000 }, { 0, 1000 } }, off = { 0 };
	struct sigaction action = { .sa_handler = ignore };
	struct kfd_ioctl_alloc_memory_of_gpu_args args = {
		.size = 32 << 20,
		.gpu_id = self->kfd.gpu.id,
		.flags = KFD_IOC_ALLOC_MEM_FLAGS_VRAM | KFD_IOC_ALLOC_MEM_FLAGS_PUBLIC |
			 KFD_IOC_ALLOC_MEM_FLAGS_WRITABLE,
	};
	struct kfd_ioctl_free_memory_of_gpu_args mem = { 0 };
	struct shared *s = shared_page();
	char *cpu;
	pid_t pid;
	int i;

	ASSERT_NE(NULL, s);
	if (!kfd_mock_present())
		SKIP(return, "needs the mock GPU");
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	for (i = 0; i < 4; i++) {
		cpu = mmap(NULL, args.size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ASSERT_NE(MAP_FAILED, cpu);
		args.va_addr = (uintptr_t)cpu;
		ASSERT_EQ(0, kfd_ioctl(&self->kfd, AMDKFD_IOC_ALLOC_MEMORY_OF_GPU, &args));
		ASSERT_NE(MAP_FAILED, mmap(cpu, args.size, PROT_READ | PROT_WRITE,
					   MAP_SHARED | MAP_FIXED, self->kfd.drm_fd,
					   args.mmap_offset));
		memset(cpu, i, args.size);
		set_step(s, 0);
		pid = start_child(NULL, take_vram, s);
		ASSERT_LT(0, pid);
		ASSERT_TRUE(wait_step(s, 1));
		usleep(1000 * i + 500);
		mem.handle = args.handle;
		setitimer(ITIMER_REAL, &each_ms, NULL);
		EXPECT_EQ(0, ioctl(self->kfd.fd, AMDKFD_IOC_FREE_MEMORY_OF_GPU, &mem));
		setitimer(ITIMER_REAL, &off, NULL);
		EXPECT_TRUE(end_child(pid));
		munmap(cpu, args.size);
	}
	EXPECT_LT(0, s->value[0]);
}

static void after_reset(struct shared *s)
{
	struct kfd_queue q;
	struct kfd_job job;
	struct kfd kfd;

	(void)s;
	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(!kfd_queue_create(&kfd, &q, NULL));
	CHILD_CHECK(!kfd_job_init(&kfd, &job, GFX942_COUNT, 300, 1));
	kfd_job_submit_n(&job, &q, 3);
	CHILD_CHECK(!kfd_job_wait(&job, KFD_TIMEOUT_MS));
	CHILD_CHECK(!kfd_job_wrong(&job, 3));
}

/* A GPU reset ends what runs; processes that come after it work */
KFD_TEST(gpu_reset)
{
	struct kfd_job *wait = &self->job[0];
	pid_t pid;

	if (!kfd_mock_present())
		SKIP(return, "needs the mock GPU");
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, wait, GFX942_WAIT, 300, 1));
	kfd_job_submit(wait, &self->q[0]);
	ASSERT_EQ(0, wait_launched(&self->q[0], 1));
	ASSERT_EQ(0, kfd_mock_write("reset", "1"));
	kfd_job_release(wait);
	usleep(20000);
	EXPECT_EQ(0, kfd_job_sum(wait));
	pid = start_child(&self->kfd, after_reset, NULL);
	ASSERT_LT(0, pid);
	EXPECT_TRUE(end_child(pid));
	EXPECT_EQ(0, kfd_queue_destroy(&self->q[0]));
}

TEST_HARNESS_MAIN
