// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of queues whose memory is shared with the CPU (SVM): save area, kernel
 * arguments, signals and counters. When the CPU's page table changes, the
 * driver takes the queues of the process off the hardware and puts them back
 * with the pages of then; a queue that is preempted must stay so meanwhile, and
 * no wave be lost, wherever its saved state went.
 */
#include <pthread.h>
#include "kfd_gpreempt_test.h"

#define PAGE		4096
#define SPARE_PAGES	16
#define SET		KFD_IOCTL_SVM_OP_SET_ATTR
#define GET		KFD_IOCTL_SVM_OP_GET_ATTR
#define SAVE		KFD_IOC_PREEMPT_WAVEFRONT_SAVE
#define ACTIVE		KFD_IOC_GPREEMPT_QUEUE_ACTIVE
#define PREEMPTED	KFD_IOC_GPREEMPT_QUEUE_PREEMPTED

/* Where save areas and counters begin; the CPU's first access moves them */
FIXTURE_VARIANT(kfd)
{
	bool vram;
};

FIXTURE_VARIANT_ADD(kfd, ram)
{
};

FIXTURE_VARIANT_ADD(kfd, vram)
{
	.vram = true,
};

FIXTURE_SETUP(kfd)
{
	int r;

	self->violations = kfd_mock_violations();
	r = test_open(&self->kfd);
	if (r == -ENODEV)
		SKIP(return, "no gfx94x GPU");
	ASSERT_EQ(0, r);
	if (!self->kfd.gpu.svm)
		SKIP(return, "no SVM");
	if (!kfd_module_param("cwsr_enable", 1))
		SKIP(return, "the waves of a queue cannot be saved");
}

static void make_queue(struct __test_metadata *_metadata, struct _test_data_kfd *self, bool vram,
		       int i)
{
	struct kfd_queue_opts opts = {
		.cwsr = vram ? KFD_CWSR_SVM_VRAM : KFD_CWSR_SVM,
		.has_priority = true,
		.priority = 7,
	};

	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[i], &opts));
}

/* A queue with waves that wait for the test */
static void start(struct __test_metadata *_metadata, struct _test_data_kfd *self, bool vram, int i)
{
	make_queue(_metadata, self, vram, i);
	ASSERT_EQ(0, kfd_job_init_svm(&self->kfd, &self->job[i], GFX942_WAIT, 100, 1, vram));
	kfd_job_submit(&self->job[i], &self->q[i]);
	ASSERT_EQ(0, wait_launched(&self->q[i], 1));
}

/* Pages that the GPU may use and does not */
static char *spare(struct __test_metadata *_metadata, struct _test_data_kfd *self,
		   struct kfd_mem *mem)
{
	ASSERT_EQ(0, kfd_svm_alloc(&self->kfd, mem, SPARE_PAGES * PAGE, false));
	return mem->cpu;
}

/* The driver has seen a page go, and may not have put the queues back yet */
static int change(char *page)
{
	if (madvise(page, PAGE, MADV_DONTNEED))
		return -errno;
	/* Else there would be nothing to take away the next time */
	__atomic_store_n(page, 1, __ATOMIC_RELEASE);
	return 0;
}

/* Wait until queues that were evicted work again */
static void settle(struct __test_metadata *_metadata, struct _test_data_kfd *self,
		   struct kfd_queue *q)
{
	struct kfd_job job;

	ASSERT_EQ(0, kfd_job_init(&self->kfd, &job, GFX942_COUNT, 8, 1));
	job.overlap = true;
	kfd_job_submit(&job, q);
	ASSERT_EQ(0, kfd_job_wait(&job, KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(&job, 1));
	kfd_job_free(&job);
}

KFD_TEST(attributes)
{
	struct kfd_ioctl_svm_attribute set[] = {
		{ KFD_IOCTL_SVM_ATTR_PREFERRED_LOC, self->kfd.gpu.id },
		{ KFD_IOCTL_SVM_ATTR_SET_FLAGS, KFD_IOCTL_SVM_FLAG_GPU_RO },
		{ KFD_IOCTL_SVM_ATTR_GRANULARITY, 5 },
		{ KFD_IOCTL_SVM_ATTR_ACCESS, self->kfd.gpu.id },
	};
	struct kfd_ioctl_svm_attribute get[] = {
		{ KFD_IOCTL_SVM_ATTR_PREFERRED_LOC, 1 },
		{ KFD_IOCTL_SVM_ATTR_SET_FLAGS, 0 },
		{ KFD_IOCTL_SVM_ATTR_GRANULARITY, 1 },
		{ KFD_IOCTL_SVM_ATTR_ACCESS, self->kfd.gpu.id },
	};
	struct kfd *kfd = &self->kfd;
	char *p = aligned_alloc(PAGE, 8 * PAGE);
	struct kfd_mem mem;
	void *hole;

	ASSERT_NE(NULL, p);
	memset(p, 1, 8 * PAGE);
	ASSERT_EQ(0, kfd_svm(kfd, GET, p, 8 * PAGE, get, 4));
	EXPECT_EQ(KFD_IOCTL_SVM_LOCATION_UNDEFINED, get[0].value);
	EXPECT_EQ(0, get[1].value & KFD_IOCTL_SVM_FLAG_GPU_RO);
	EXPECT_EQ(KFD_IOCTL_SVM_ATTR_NO_ACCESS, get[3].type);
	ASSERT_EQ(0, kfd_svm(kfd, SET, p, 8 * PAGE, set, 4));
	get[3].type = KFD_IOCTL_SVM_ATTR_ACCESS;
	ASSERT_EQ(0, kfd_svm(kfd, GET, p + PAGE, 2 * PAGE, get, 4));
	EXPECT_EQ(self->kfd.gpu.id, get[0].value);
	EXPECT_EQ(KFD_IOCTL_SVM_FLAG_GPU_RO, get[1].value & KFD_IOCTL_SVM_FLAG_GPU_RO);
	EXPECT_EQ(5, get[2].value);
	EXPECT_EQ(KFD_IOCTL_SVM_ATTR_ACCESS, get[3].type);
	/* Half of it other than the rest: unknown */
	set[0].value = 0;
	ASSERT_EQ(0, kfd_svm(kfd, SET, p + 4 * PAGE, 4 * PAGE, set, 1));
	ASSERT_EQ(0, kfd_svm(kfd, GET, p, 8 * PAGE, get, 1));
	EXPECT_EQ(KFD_IOCTL_SVM_LOCATION_UNDEFINED, get[0].value);

	/* What is refused */
	EXPECT_EQ(-EINVAL, kfd_svm(kfd, SET, p + 8, PAGE, set, 1));
	EXPECT_EQ(-EINVAL, kfd_svm(kfd, SET, p, 0, set, 1));
	set[0].type = 99;
	EXPECT_EQ(-EINVAL, kfd_svm(kfd, SET, p, PAGE, set, 1));
	set[0].type = KFD_IOCTL_SVM_ATTR_ACCESS;
	set[0].value = 1;
	EXPECT_EQ(-EINVAL, kfd_svm(kfd, SET, p, PAGE, set, 1));
	set[0].value = self->kfd.gpu.id;
	hole = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, hole);
	munmap(hole, PAGE);
	EXPECT_EQ(-EFAULT, kfd_svm(kfd, SET, hole, PAGE, set, 1));
	/* Memory of the driver's, and memory that is the GPU's in another way */
	ASSERT_EQ(0, kfd_mem_alloc(kfd, &mem, PAGE, KFD_IOC_ALLOC_MEM_FLAGS_GTT));
	EXPECT_EQ(-EFAULT, kfd_svm(kfd, SET, mem.cpu, PAGE, set, 1));
	EXPECT_EQ(0, kfd_mem_free(kfd, &mem));
	ASSERT_EQ(0, kfd_mem_userptr(kfd, &mem, NULL, PAGE));
	EXPECT_EQ(-EADDRINUSE, kfd_svm(kfd, SET, mem.cpu, PAGE, set, 1));
	EXPECT_EQ(0, kfd_mem_free(kfd, &mem));
	free(p);
}

KFD_TEST(run_once)
{
	__u32 w = self->kfd.gpu.wave_slots * 2 + 7;

	make_queue(_metadata, self, variant->vram, 0);
	ASSERT_EQ(0, kfd_job_init_svm(&self->kfd, &self->job[0], GFX942_COUNT, w, LOOPS_MS(1),
				      variant->vram));
	kfd_job_submit_n(&self->job[0], &self->q[0], 3);
	ASSERT_EQ(0, kfd_job_wait(&self->job[0], KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(&self->job[0], 3));
	/* The CPU has looked; once more, and from the other side */
	ASSERT_EQ(0, kfd_svm_share(&self->kfd, self->job[0].mem.cpu, self->job[0].mem.size,
				   variant->vram));
	kfd_job_submit_n(&self->job[0], &self->q[0], 2);
	ASSERT_EQ(0, kfd_job_wait(&self->job[0], KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(&self->job[0], 5));
	EXPECT_EQ(0, kfd_queue_destroy(&self->q[0]));
	kfd_queue_free(&self->q[0]);
	kfd_job_free(&self->job[0]);
}

/* A queue's buffers are BOs, but for the save area; that is always mapped */
KFD_TEST(buffers)
{
	struct kfd_ioctl_svm_attribute clear = {
		KFD_IOCTL_SVM_ATTR_CLR_FLAGS, KFD_IOCTL_SVM_FLAG_GPU_ALWAYS_MAPPED
	};
	struct kfd_queue *q = &self->q[0];
	struct kfd_ioctl_create_queue_args args = {
		.gpu_id = self->kfd.gpu.id,
		.queue_type = KFD_IOC_QUEUE_TYPE_COMPUTE_AQL,
		.queue_percentage = 100,
		.queue_priority = 7,
		.eop_buffer_size = PAGE,
		.ctx_save_restore_size = self->kfd.gpu.cwsr_size,
		.ctl_stack_size = self->kfd.gpu.ctl_stack_size,
	};
	struct kfd_mem ring;

	make_queue(_metadata, self, variant->vram, 0);
	EXPECT_EQ(0, kfd_queue_destroy(q));
	args.ring_base_address = (uintptr_t)q->ring.cpu;
	args.ring_size = q->ring_size;
	args.write_pointer_address = (uintptr_t)&q->desc->write_dispatch_id;
	args.read_pointer_address = (uintptr_t)&q->desc->read_dispatch_id;
	args.eop_buffer_address = (uintptr_t)q->eop.cpu;
	args.ctx_save_restore_address = (uintptr_t)q->cwsr.cpu;
	ASSERT_EQ(0, kfd_ioctl(&self->kfd, AMDKFD_IOC_CREATE_QUEUE, &args));
	q->id = args.queue_id;
	EXPECT_EQ(0, kfd_queue_destroy(q));

	ASSERT_EQ(0, kfd_svm_alloc(&self->kfd, &ring, q->ring_size, false));
	args.ring_base_address = (uintptr_t)ring.cpu;
	EXPECT_EQ(-EINVAL, kfd_ioctl(&self->kfd, AMDKFD_IOC_CREATE_QUEUE, &args));
	args.ring_base_address = (uintptr_t)q->ring.cpu;
	ASSERT_EQ(0, kfd_svm(&self->kfd, SET, q->cwsr.cpu, q->cwsr.size, &clear, 1));
	EXPECT_EQ(-EINVAL, kfd_ioctl(&self->kfd, AMDKFD_IOC_CREATE_QUEUE, &args));
	ASSERT_EQ(0, kfd_svm_share(&self->kfd, q->cwsr.cpu, q->cwsr.size, variant->vram));
	/* Too small by a page */
	munmap((char *)q->cwsr.cpu + q->cwsr.size - PAGE, PAGE);
	/* The driver cuts off the rest in its own time */
	usleep(100000);
	EXPECT_EQ(-EINVAL, kfd_ioctl(&self->kfd, AMDKFD_IOC_CREATE_QUEUE, &args));
}

KFD_TEST(preempt_resume)
{
	struct kfd_wave_state ws;
	int i;

	if (!kfd_has_gpreempt(&self->kfd))
		SKIP(return, "no CONFIG_HSA_AMD_GPREEMPT");
	start(_metadata, self, variant->vram, 0);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
		ASSERT_EQ(0, kfd_queue_wave_state(&self->q[0], &ws));
		EXPECT_LT(0, ws.total);
		ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
		usleep(3000);
	}
	finish(_metadata, self, 0);
}

/* The GPU counts where the page is now, not where it was */
KFD_TEST(page_replaced)
{
	int i;

	start(_metadata, self, variant->vram, 0);
	ASSERT_EQ(0, madvise(self->job[0].mem.cpu, PAGE, MADV_DONTNEED));
	for (i = 0; i < 100; i++)
		self->job[0].counters[i] = 1000 + i;
	/* Its waves are off the hardware now, or have come back */
	kfd_job_release(&self->job[0]);
	ASSERT_EQ(0, kfd_job_wait(&self->job[0], KFD_TIMEOUT_MS));
	for (i = 0; i < 100; i++)
		EXPECT_EQ(1001 + i, kfd_job_count(&self->job[0], i));
}

/* Memory that waves use all the time changes below them */
KFD_TEST(changes_under_load)
{
	long long saves = kfd_mock_stat("saves");
	__u32 w = self->kfd.gpu.wave_slots;
	struct kfd_mem mem;
	char *p = spare(_metadata, self, &mem);
	int i;

	make_queue(_metadata, self, variant->vram, 0);
	ASSERT_EQ(0, kfd_job_init_svm(&self->kfd, &self->job[0], GFX942_COUNT, w, LOOPS_MS(5),
				      variant->vram));
	kfd_job_submit_n(&self->job[0], &self->q[0], 10);
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, change(p + i % SPARE_PAGES * PAGE));
		/* Counters too, but they must not be read-only when the queue comes back */
		ASSERT_EQ(0, mprotect(self->job[0].mem.cpu, PAGE,
				      PROT_READ | PROT_WRITE | PROT_EXEC));
		ASSERT_EQ(0, mprotect(self->job[0].mem.cpu, PAGE, PROT_READ | PROT_WRITE));
		usleep(i * 300);
	}
	ASSERT_EQ(0, kfd_job_wait(&self->job[0], KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(&self->job[0], 10));
	if (saves >= 0)
		EXPECT_LT(saves, kfd_mock_stat("saves"));
}

/* The save area moves to other pages, with the waves in it */
KFD_TEST(save_area_moves)
{
	char *p;
	pid_t pid;
	__u64 i;

	start(_metadata, self, variant->vram, 0);
	p = self->q[0].cwsr.cpu;
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		/* Keep the pages until the parent has its own */
		pause();
		_exit(0);
	}
	settle(_metadata, self, &self->q[0]);
	for (i = 0; i < self->q[0].cwsr.size; i += PAGE)
		__atomic_load_n(&p[i], __ATOMIC_RELAXED);
	EXPECT_TRUE(kill_child(pid));
	finish(_metadata, self, 0);
}

/* A child has what was there when it came to be, whatever the GPU does */
KFD_TEST(fork)
{
	struct kfd_job *job = &self->job[0];
	int i, n, status;
	pid_t pid;

	start(_metadata, self, variant->vram, 0);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		usleep(200000);
		for (i = n = 0; i < 100; i++)
			n += job->counters[i];
		_exit(n ? 1 : 0);
	}
	finish(_metadata, self, 0);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	/* HMM does not copy a page in VRAM that the GPU writes to */
	if (!variant->vram)
		EXPECT_TRUE(WIFEXITED(status) && !WEXITSTATUS(status));
	kfd_job_submit(job, &self->q[0]);
	ASSERT_EQ(0, kfd_job_wait(job, KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(job, 2));
}

/* The rest of a range stays the GPU's */
KFD_TEST(munmap_part)
{
	struct kfd_ioctl_svm_attribute access = { KFD_IOCTL_SVM_ATTR_ACCESS, self->kfd.gpu.id };
	struct kfd_mem mem;
	char *p = spare(_metadata, self, &mem);

	make_queue(_metadata, self, variant->vram, 0);
	ASSERT_EQ(0, kfd_job_init_counters(&self->kfd, &self->job[0], GFX942_WAIT, 100, 1, &mem));
	kfd_job_submit(&self->job[0], &self->q[0]);
	ASSERT_EQ(0, wait_launched(&self->q[0], 1));
	ASSERT_EQ(0, munmap(p + 4 * PAGE, 4 * PAGE));
	finish(_metadata, self, 0);
	ASSERT_EQ(0, kfd_svm(&self->kfd, GET, p + 8 * PAGE, PAGE, &access, 1));
	EXPECT_EQ(KFD_IOCTL_SVM_ATTR_ACCESS, access.type);
	EXPECT_EQ(-EFAULT, kfd_svm(&self->kfd, GET, p + 4 * PAGE, PAGE, &access, 1));
}

static void lose_save_area(struct __test_metadata *_metadata, struct _test_data_kfd *self)
{
	struct kfd_queue *q = &self->q[0];

	ASSERT_EQ(0, munmap(q->cwsr.cpu, q->cwsr.size));
	q->cwsr.cpu = NULL;
	kfd_job_release(&self->job[0]);
	usleep(20000);
	EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
	EXPECT_EQ(0, kfd_queue_destroy(q));
	kfd_queue_free(q);
}

/* The process's queues run no more, but they can be destroyed */
KFD_TEST(munmap_save_area)
{
	start(_metadata, self, variant->vram, 0);
	lose_save_area(_metadata, self);
}

KFD_TEST(munmap_save_area_preempted)
{
	if (!kfd_has_gpreempt(&self->kfd))
		SKIP(return, "no CONFIG_HSA_AMD_GPREEMPT");
	start(_metadata, self, variant->vram, 0);
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	lose_save_area(_metadata, self);
}

/* Evicted and put back, a preempted queue stays where it is */
KFD_TEST(evicted_while_preempted)
{
	struct kfd_wave_state ws, after;
	struct kfd_mem mem;
	char *p = spare(_metadata, self, &mem);
	int i;

	if (!kfd_has_gpreempt(&self->kfd))
		SKIP(return, "no CONFIG_HSA_AMD_GPREEMPT");
	start(_metadata, self, variant->vram, 0);
	make_queue(_metadata, self, variant->vram, 1);
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	ASSERT_EQ(0, kfd_queue_wave_state(&self->q[0], &ws));
	kfd_job_release(&self->job[0]);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, change(p + i * PAGE));
		EXPECT_EQ(PREEMPTED, queue_state(&self->q[0]));
		/* The other one comes back */
		settle(_metadata, self, &self->q[1]);
		EXPECT_EQ(PREEMPTED, queue_state(&self->q[0]));
		EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
	}
	ASSERT_EQ(0, kfd_queue_wave_state(&self->q[0], &after));
	EXPECT_EQ(ws.total, after.total);
	/* Also resumed before it was put back */
	ASSERT_EQ(0, change(p));
	ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	finish(_metadata, self, 0);
	EXPECT_EQ(ACTIVE, queue_state(&self->q[0]));
}

/* The saved waves of a preempted queue go elsewhere */
KFD_TEST(moved_while_preempted)
{
	__u64 i, sum = 0;
	char *p;
	pid_t pid;

	if (!kfd_has_gpreempt(&self->kfd))
		SKIP(return, "no CONFIG_HSA_AMD_GPREEMPT");
	start(_metadata, self, variant->vram, 0);
	make_queue(_metadata, self, variant->vram, 1);
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		pause();
		_exit(0);
	}
	p = self->q[0].cwsr.cpu;
	for (i = 0; i < self->q[0].cwsr.size; i++)
		sum += p[i] != 0;
	EXPECT_LT(0, sum);
	settle(_metadata, self, &self->q[1]);
	EXPECT_TRUE(kill_child(pid));
	/* To VRAM, or to where it is */
	ASSERT_EQ(0, kfd_svm_share(&self->kfd, self->q[0].cwsr.cpu, self->q[0].cwsr.size, true));
	EXPECT_EQ(PREEMPTED, queue_state(&self->q[0]));
	ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	finish(_metadata, self, 0);
}

struct changer {
	char *page;
	int stop;
	int errors;
};

static void *change_all_the_time(void *arg)
{
	struct changer *c = arg;
	int i;

	for (i = 0; !__atomic_load_n(&c->stop, __ATOMIC_ACQUIRE); i++) {
		if (change(c->page + i % SPARE_PAGES * PAGE))
			c->errors++;
		usleep(i % 7 * 500);
	}
	return NULL;
}

/* Preempted, evicted, resumed, restored, in any order */
KFD_TEST(changes_and_preemptions)
{
	struct changer c = { 0 };
	struct kfd_mem mem;
	pthread_t thread;
	int i;

	if (!kfd_has_gpreempt(&self->kfd))
		SKIP(return, "no CONFIG_HSA_AMD_GPREEMPT");
	c.page = spare(_metadata, self, &mem);
	make_queue(_metadata, self, variant->vram, 0);
	ASSERT_EQ(0, kfd_job_init_svm(&self->kfd, &self->job[0], GFX942_COUNT,
				      self->kfd.gpu.wave_slots, LOOPS_MS(10), variant->vram));
	kfd_job_submit_n(&self->job[0], &self->q[0], 5);
	ASSERT_EQ(0, pthread_create(&thread, NULL, change_all_the_time, &c));
	for (i = 0; i < 40; i++) {
		ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
		usleep(i % 5 * 700);
		ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
		usleep(i % 3 * 700);
	}
	__atomic_store_n(&c.stop, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, c.errors);
	ASSERT_EQ(0, kfd_job_wait(&self->job[0], KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(&self->job[0], 5));
}

/* What the monitor holds stays held, and comes back */
KFD_TEST(changes_and_monitor)
{
	struct kfd_ioctl_gpreempt_args args;
	struct kfd_mem mem;
	__u32 param;
	char *p;
	int i;

	if (!kfd_has_gpreempt(&self->kfd))
		SKIP(return, "no CONFIG_HSA_AMD_GPREEMPT");
	for (param = 0; param <= KFD_IOC_GPREEMPT_PARAM_RANK; param++)
		ASSERT_EQ(0, kfd_gpreempt_get(&self->kfd, param, &self->param[param]));
	if (kfd_gpreempt_set(&self->kfd, KFD_IOC_GPREEMPT_PARAM_ENABLE, 1) == -EPERM)
		SKIP(return, "needs CAP_SYS_ADMIN");
	self->monitor = true;
	set_params(_metadata, self);
	p = spare(_metadata, self, &mem);
	start(_metadata, self, variant->vram, 0);
	make_queue(_metadata, self, variant->vram, 1);
	self->q[1].priority = 12;
	ASSERT_EQ(0, kfd_queue_update(&self->q[1]));
	ASSERT_EQ(0, kfd_job_init_svm(&self->kfd, &self->job[1], GFX942_WAIT, 64, 1,
				      variant->vram));
	kfd_job_submit(&self->job[1], &self->q[1]);
	ASSERT_TRUE(wait_state(&self->q[0], PREEMPTED));
	/* Meanwhile the high one is off, too: the monitor may let the other go */
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, change(p + i * PAGE));
		usleep(i * 1000);
	}
	ASSERT_TRUE(wait_state(&self->q[0], PREEMPTED));
	usleep(20000);
	EXPECT_EQ(PREEMPTED, queue_state(&self->q[0]));
	ASSERT_EQ(0, kfd_gpreempt_query(&self->kfd, &self->q[0], &args));
	EXPECT_EQ(KFD_IOC_GPREEMPT_HOLDER_MONITOR, args.queue_holder);
	kfd_job_release(&self->job[0]);
	usleep(20000);
	EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
	finish(_metadata, self, 1);
	finish(_metadata, self, 0);
}

static void exit_child(struct shared *s)
{
	struct kfd_queue_opts opts = { .cwsr = s->value[0] ? KFD_CWSR_SVM_VRAM : KFD_CWSR_SVM };
	struct kfd_queue q[2];
	struct kfd_job job[2];
	struct kfd kfd;
	int i;

	CHILD_CHECK(!kfd_open(&kfd));
	for (i = 0; i < 2; i++) {
		CHILD_CHECK(!kfd_queue_create(&kfd, &q[i], &opts));
		CHILD_CHECK(!kfd_job_init_svm(&kfd, &job[i], GFX942_WAIT, 100, 1, s->value[0]));
		kfd_job_submit(&job[i], &q[i]);
		CHILD_CHECK(!wait_launched(&q[i], 1));
	}
	if (kfd_has_gpreempt(&kfd))
		CHILD_CHECK(!kfd_queue_preempt(&q[0], SAVE, 0));
	if (s->value[2])
		CHILD_CHECK(!madvise(job[1].mem.cpu, PAGE, MADV_DONTNEED));
	set_step(s, 1);
	if (s->value[1])
		pause();
}

/* Ends with waves on the hardware, saved, and just evicted */
KFD_TEST(exit)
{
	struct shared *s = shared_page();
	pid_t pid;
	int i;

	ASSERT_NE(NULL, s);
	for (i = 0; i < 4; i++) {
		set_step(s, 0);
		s->value[0] = variant->vram;
		s->value[1] = i & 1;
		s->value[2] = i >> 1;
		pid = start_child(&self->kfd, exit_child, s);
		ASSERT_LE(0, pid);
		if (i & 1) {
			ASSERT_TRUE(wait_step(s, 1));
			EXPECT_TRUE(kill_child(pid));
		} else {
			EXPECT_TRUE(end_child(pid));
		}
	}
	start(_metadata, self, variant->vram, 0);
	finish(_metadata, self, 0);
}

TEST_HARNESS_MAIN
