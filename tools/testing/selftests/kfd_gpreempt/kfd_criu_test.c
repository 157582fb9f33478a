// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of checkpoint and restore of compute queues, with all their XCCs: one
 * process is checkpointed and killed, another one becomes what it was, and
 * every workgroup has run exactly once in the end. CRIU itself is not needed:
 * both processes call KFD on themselves, as CRIU's plugin does for them.
 */
#include "kfd_test.h"

#define SAVE	KFD_IOC_PREEMPT_WAVEFRONT_SAVE

/* What a test asks of the process that is checkpointed */
struct scenario {
	bool idle;		/* nothing in the queues */
	bool wide;		/* more workgroups than there is room for */
	bool userptr;		/* save areas in the process's own memory */
	bool ioctl;		/* the first queue is preempted by it */
	bool monitor;		/* by the monitor */
	bool no_queue;		/* the queue is gone, its memory is not */
	bool goes_on;		/* not killed, but unpaused */
};

/* Where the processes meet. At the same address in all of them */
static struct {
	struct shared sync;	/* with the one that is checkpointed */
	struct shared top;	/* with the one that is in its way */
	struct scenario sc;
	bool has_gpreempt;
	bool may_checkpoint;
	struct kfd kfd;
	struct kfd_queue q[2];
	struct kfd_job job[3];
	struct kfd_event ev;
	struct kfd_wave_state ws;
} *s;

static struct kfd_image *img;

/* For tests that destroy it */
static struct kfd_image *intact;

static void *alloc_shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Whoever restores must not have been a KFD process, so another one asks */
static void probe(struct shared *sync)
{
	struct kfd_ioctl_criu_args args = { 0 };
	int r = test_open(&s->kfd);

	sync->value[0] = -r;
	if (r)
		return;
	s->has_gpreempt = kfd_has_gpreempt(&s->kfd);
	s->may_checkpoint = kfd_criu(&s->kfd, &args, KFD_CRIU_OP_PROCESS_INFO) != -EACCES;
}

FIXTURE_SETUP(kfd)
{
	pid_t pid;

	self->violations = kfd_mock_violations();
	s = alloc_shared(sizeof(*s));
	img = alloc_shared(sizeof(*img));
	intact = alloc_shared(sizeof(*intact));
	ASSERT_TRUE(s && img && intact);
	pid = start_child(NULL, probe, &s->sync);
	ASSERT_LT(0, pid);
	ASSERT_TRUE(end_child(pid));
	if (s->sync.value[0] == ENODEV)
		SKIP(return, "no gfx94x GPU");
	ASSERT_EQ(0, s->sync.value[0]);
	if (!s->may_checkpoint)
		SKIP(return, "needs CAP_CHECKPOINT_RESTORE");
}

static int holder(struct kfd_queue *q)
{
	struct kfd_ioctl_gpreempt_args args;
	int r = kfd_gpreempt_query(q->kfd, q, &args);

	return r ? r : (int)args.queue_holder;
}

static bool wait_holder(struct kfd_queue *q, int who)
{
	__u64 end = kfd_now_us() + KFD_TIMEOUT_MS * 1000ull;

	while (holder(q) != who) {
		if (kfd_now_us() > end)
			return false;
		usleep(1000);
	}
	return true;
}

/*
 * Queue 0 has workgroups that wait for kfd_job_release(), and packets behind
 * them. Queue 1 is of a higher priority, and busy.
 */
static bool submit_work(void)
{
	__u32 slots = s->kfd.gpu.wave_slots;
	__u32 w = s->sc.wide ? slots * 2 + 13 : slots / 2 + 13;

	if (kfd_job_init(&s->kfd, &s->job[0], GFX942_WAIT, w, LOOPS_MS(1)) ||
	    kfd_job_init(&s->kfd, &s->job[1], GFX942_COUNT, 100, 1) ||
	    kfd_job_init(&s->kfd, &s->job[2], GFX942_COUNT, slots / 4 + 5, LOOPS_MS(40)) ||
	    kfd_event_create(&s->kfd, &s->ev))
		return false;
	kfd_event_attach(&s->kfd, &s->ev, s->job[1].signal);
	if (s->sc.idle) {
		kfd_job_release(&s->job[0]);
		return !kfd_job_submit_n(&s->job[0], &s->q[0], 3) &&
		       !kfd_job_wait(&s->job[0], KFD_TIMEOUT_MS) &&
		       !kfd_job_wrong(&s->job[0], 3);
	}
	return !kfd_job_submit(&s->job[0], &s->q[0]) &&
	       !kfd_job_submit_n(&s->job[1], &s->q[0], 5) &&
	       !wait_launched(&s->q[0], 1) &&
	       !kfd_job_submit(&s->job[2], &s->q[1]) &&
	       !wait_launched(&s->q[1], 1);
}

/* Every workgroup ends, and has run once; and the queues are good for more */
static bool end_work(void)
{
	__u32 n = s->sc.idle ? 3 : 1;

	kfd_job_release(&s->job[0]);
	if (kfd_job_wait(&s->job[0], KFD_TIMEOUT_MS) || kfd_job_wrong(&s->job[0], n))
		return false;
	if (!s->sc.idle &&
	    (kfd_event_wait(&s->kfd, &s->ev, KFD_TIMEOUT_MS) ||
	     kfd_job_wait(&s->job[1], KFD_TIMEOUT_MS) || kfd_job_wrong(&s->job[1], 5) ||
	     kfd_job_wait(&s->job[2], KFD_TIMEOUT_MS) || kfd_job_wrong(&s->job[2], 1)))
		return false;
	kfd_job_submit_n(&s->job[0], &s->q[0], 2);
	kfd_job_submit_n(&s->job[0], &s->q[1], 2);
	return !kfd_job_wait(&s->job[0], KFD_TIMEOUT_MS) && !kfd_job_wrong(&s->job[0], n + 4);
}

static void checkpointed(struct shared *sync)
{
	struct kfd_queue_opts opts = {
		.has_priority = true,
		.cwsr = s->sc.userptr ? KFD_CWSR_USERPTR : KFD_CWSR_GTT,
	};
	long long before;
	int i;

	CHILD_CHECK(!kfd_open(&s->kfd));
	for (i = 0; i < 2; i++) {
		opts.priority = i ? 11 : 3;
		CHILD_CHECK(!kfd_queue_create(&s->kfd, &s->q[i], &opts));
	}
	if (s->sc.no_queue) {
		CHILD_CHECK(kfd_criu_checkpoint(&s->kfd, img) == -EINVAL);
		CHILD_CHECK(!kfd_criu_unpause(&s->kfd));
		CHILD_CHECK(!kfd_queue_destroy(&s->q[0]) && !kfd_queue_destroy(&s->q[1]));
	} else {
		CHILD_CHECK(submit_work());
	}
	/* Not before all its work has begun */
	if (s->sc.monitor)
		set_step(&s->top, 1);
	if (s->sc.ioctl)
		CHILD_CHECK(!kfd_queue_preempt(&s->q[0], SAVE, 0));
	if (s->sc.monitor)
		CHILD_CHECK(wait_holder(&s->q[0], KFD_IOC_GPREEMPT_HOLDER_MONITOR));

	CHILD_CHECK(!kfd_criu_checkpoint(&s->kfd, img));
	if (!s->sc.no_queue)
		CHILD_CHECK(!kfd_queue_wave_state(&s->q[0], &s->ws));
	if (s->sc.monitor)
		CHILD_CHECK(holder(&s->q[0]) == KFD_IOC_GPREEMPT_HOLDER_MONITOR);
	set_step(sync, 1);
	if (!s->sc.goes_on)
		for (;;)
			pause();

	if (s->has_gpreempt && !s->sc.ioctl) {
		/* While it is paused: its state is in memory already */
		CHILD_CHECK(!kfd_queue_preempt(&s->q[0], SAVE, 0));
		CHILD_CHECK(!kfd_queue_resume(&s->q[0]));
	}
	CHILD_CHECK(!kfd_criu_unpause(&s->kfd));
	CHILD_CHECK(kfd_criu_unpause(&s->kfd) == -EINVAL);
	if (s->sc.ioctl) {
		/* What it holds stays off until it says so */
		before = kfd_job_sum(&s->job[0]);
		kfd_job_release(&s->job[0]);
		usleep(30000);
		CHILD_CHECK(kfd_job_sum(&s->job[0]) == before);
		CHILD_CHECK(holder(&s->q[0]) == KFD_IOC_GPREEMPT_HOLDER_IOCTL);
		CHILD_CHECK(!kfd_queue_resume(&s->q[0]));
	}
	CHILD_CHECK(end_work());
}

/* Return: the process, paused with its image made, or killed */
static pid_t checkpoint(struct __test_metadata *_metadata, const struct scenario *sc)
{
	pid_t pid;

	s->sc = *sc;
	pid = start_child(NULL, checkpointed, &s->sync);
	ASSERT_LT(0, pid);
	ASSERT_TRUE(wait_step(&s->sync, 1));
	if (!sc->goes_on)
		ASSERT_TRUE(kill_child(pid));
	return pid;
}

/* Become the process in the image; its queues do not run yet */
static void restore(struct __test_metadata *_metadata)
{
	struct kfd_wave_state ws;
	long long before;
	__u32 i;

	ASSERT_EQ(0, kfd_criu_restore(&s->kfd, img));
	ASSERT_EQ(0, kfd_queue_wave_state(&s->q[0], &ws));
	for (i = 0; i < s->kfd.gpu.xccs; i++) {
		EXPECT_EQ(s->ws.ctl_stack[i], ws.ctl_stack[i]);
		EXPECT_EQ(s->ws.waves[i], ws.waves[i]);
		EXPECT_EQ(s->sc.idle, !ws.waves[i]);
	}
	if (s->sc.idle)
		return;
	before = kfd_job_sum(&s->job[0]);
	kfd_job_release(&s->job[0]);
	usleep(20000);
	EXPECT_EQ(before, kfd_job_sum(&s->job[0]));
}

/* A restored queue is preempted like any other */
static void preempt_again(struct __test_metadata *_metadata)
{
	struct kfd_wave_state ws;
	struct kfd_job job;
	long long rptr;
	__u32 i;

	EXPECT_EQ(KFD_IOC_GPREEMPT_HOLDER_NONE, holder(&s->q[0]));
	ASSERT_EQ(0, kfd_job_init(&s->kfd, &job, GFX942_WAIT, s->kfd.gpu.wave_slots * 2 + 1, 1));
	rptr = kfd_queue_rptr(&s->q[0]);
	kfd_job_submit(&job, &s->q[0]);
	ASSERT_EQ(0, wait_launched(&s->q[0], rptr + 1));
	ASSERT_EQ(0, kfd_queue_preempt(&s->q[0], SAVE, 0));
	ASSERT_EQ(0, kfd_queue_wave_state(&s->q[0], &ws));
	for (i = 0; i < s->kfd.gpu.xccs; i++)
		EXPECT_LT(0, ws.waves[i]);
	kfd_job_release(&job);
	usleep(20000);
	EXPECT_EQ(0, kfd_job_sum(&job));
	ASSERT_EQ(0, kfd_queue_resume(&s->q[0]));
	ASSERT_EQ(0, kfd_job_wait(&job, KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(&job, 1));
}

static void checkpoint_and_restore(struct __test_metadata *_metadata, const struct scenario *sc)
{
	if (!kfd_module_param("cwsr_enable", 1))
		SKIP(return, "the waves of a queue cannot be saved");
	if ((sc->ioctl || sc->monitor) && !s->has_gpreempt)
		SKIP(return, "no CONFIG_HSA_AMD_GPREEMPT");
	checkpoint(_metadata, sc);
	restore(_metadata);
	ASSERT_EQ(0, kfd_criu_resume(&s->kfd));
	EXPECT_TRUE(end_work());
	if (s->has_gpreempt)
		preempt_again(_metadata);
}

static void checkpoint_and_go_on(struct __test_metadata *_metadata, const struct scenario *sc)
{
	if (!kfd_module_param("cwsr_enable", 1))
		SKIP(return, "the waves of a queue cannot be saved");
	if ((sc->ioctl || sc->monitor) && !s->has_gpreempt)
		SKIP(return, "no CONFIG_HSA_AMD_GPREEMPT");
	EXPECT_TRUE(end_child(checkpoint(_metadata, sc)));
}

KFD_TEST(idle)
{
	checkpoint_and_restore(_metadata, &(struct scenario){ .idle = true });
}

KFD_TEST(waves_in_flight)
{
	checkpoint_and_restore(_metadata, &(struct scenario){ 0 });
}

/* Some workgroups of a dispatch are in flight, others were not launched yet */
KFD_TEST(partly_launched)
{
	checkpoint_and_restore(_metadata, &(struct scenario){ .wide = true });
}

KFD_TEST(userptr_save_area)
{
	checkpoint_and_restore(_metadata, &(struct scenario){ .wide = true, .userptr = true });
}

/* The file that held it is not part of the image, so nothing holds it now */
KFD_TEST(preempted_by_ioctl)
{
	checkpoint_and_restore(_metadata, &(struct scenario){ .wide = true, .ioctl = true });
}

KFD_TEST(idle_preempted_by_ioctl)
{
	checkpoint_and_restore(_metadata, &(struct scenario){ .idle = true, .ioctl = true });
}

KFD_TEST(unpause)
{
	checkpoint_and_go_on(_metadata, &(struct scenario){ .wide = true, .goes_on = true });
}

KFD_TEST(unpause_preempted_by_ioctl)
{
	checkpoint_and_go_on(_metadata, &(struct scenario){
		.wide = true, .ioctl = true, .goes_on = true
	});
}

/* Has work of a higher priority, which the monitor makes room for */
static void in_the_way(struct shared *top)
{
	static const struct { __u32 param, value; } set[] = {
		{ KFD_IOC_GPREEMPT_PARAM_ENABLE, 1 },
		{ KFD_IOC_GPREEMPT_PARAM_INTERVAL_US, 5000 },
		/* Longer than a slow machine needs for a checkpoint's runlists */
		{ KFD_IOC_GPREEMPT_PARAM_HOLDOFF_US, 2000000 },
		/* Never, here */
		{ KFD_IOC_GPREEMPT_PARAM_STARVATION_MS, 3600000 },
	};
	struct kfd_queue_opts opts = { .has_priority = true, .priority = 14 };
	__u64 old[ARRAY_SIZE(set)];
	struct kfd_queue q;
	struct kfd_job job;
	struct kfd kfd;
	int i;

	CHILD_CHECK(!kfd_open(&kfd));
	for (i = 0; i < (int)ARRAY_SIZE(set); i++) {
		CHILD_CHECK(!kfd_gpreempt_get(&kfd, set[i].param, &old[i]));
		CHILD_CHECK(!kfd_gpreempt_set(&kfd, set[i].param, set[i].value));
	}
	CHILD_CHECK(!kfd_queue_create(&kfd, &q, &opts));
	CHILD_CHECK(!kfd_job_init(&kfd, &job, GFX942_WAIT, 64, 1));
	for (i = 0; i < 2; i++) {
		/* Begin at an odd step, end at an even one */
		CHILD_CHECK(wait_step(top, 2 * i + 1));
		__atomic_store_n(job.flag, 0, __ATOMIC_RELEASE);
		kfd_job_submit(&job, &q);
		CHILD_CHECK(wait_step(top, 2 * i + 2));
		kfd_job_release(&job);
		CHILD_CHECK(!kfd_job_wait(&job, KFD_TIMEOUT_MS));
		CHILD_CHECK(!kfd_job_wrong(&job, i + 1));
	}
	CHILD_CHECK(!kfd_queue_destroy(&q));
	for (i = 0; i < (int)ARRAY_SIZE(set); i++)
		CHILD_CHECK(!kfd_gpreempt_set(&kfd, set[i].param, old[i]));
}

/*
 * The monitor holds the queue when it is checkpointed. It does not hold the
 * restored one, but takes that off too while somebody is in its way.
 */
KFD_TEST(held_by_monitor)
{
	struct scenario sc = { .wide = true, .monitor = true };
	pid_t pid;

	if (!kfd_module_param("cwsr_enable", 1) || !s->has_gpreempt)
		SKIP(return, "no preemption");
	pid = start_child(NULL, in_the_way, &s->top);
	ASSERT_LT(0, pid);
	checkpoint(_metadata, &sc);
	set_step(&s->top, 2);
	restore(_metadata);
	EXPECT_EQ(KFD_IOC_GPREEMPT_HOLDER_NONE, holder(&s->q[0]));
	/* So that there is something to be in the way of */
	__atomic_store_n(s->job[0].flag, 0, __ATOMIC_RELEASE);
	ASSERT_EQ(0, kfd_criu_resume(&s->kfd));
	set_step(&s->top, 3);
	EXPECT_TRUE(wait_holder(&s->q[0], KFD_IOC_GPREEMPT_HOLDER_MONITOR));
	set_step(&s->top, 4);
	EXPECT_TRUE(end_work());
	EXPECT_TRUE(end_child(pid));
}

/* struct kfd_criu_queue_priv_data, version 1 */
struct criu_queue {
	__u32 object_type;
	__u64 q_address;
	__u64 q_size;
	__u64 read_ptr_addr;
	__u64 write_ptr_addr;
	__u64 doorbell_off;
	__u64 eop_ring_buffer_address;
	__u64 ctx_save_restore_area_address;
	__u32 gpu_id;
	__u32 type;
	__u32 format;
	__u32 q_id;
	__u32 priority;
	__u32 q_percent;
	__u32 doorbell_id;
	__u32 gws;
	__u32 sdma_id;
	__u32 eop_ring_buffer_size;
	__u32 ctx_save_restore_area_size;
	__u32 ctl_stack_size;
	__u32 mqd_size;
	/* MQDs of all XCCs, control stacks of all XCCs */
};

/* Of struct v9_mqd */
#define MQD_SIZE		2048
#define MQD_CNTL_STACK_OFFSET	178	/* cp_hqd_cntl_stack_offset, dwords */

/* Queue 0 in the image */
static struct criu_queue *find_queue(void)
{
	struct criu_queue *c;
	__u64 i;

	for (i = 0; i + sizeof(*c) <= img->args.priv_data_size; i += 4) {
		c = (void *)(img->priv + i);
		if (!c->object_type && c->q_address == (uintptr_t)s->q[0].ring.cpu &&
		    c->q_size == s->q[0].ring_size)
			return c;
	}
	return NULL;
}

/* Damage number i of an image and a queue in it; NULL when there are no more */
static const char *damage(int i, struct criu_queue *c)
{
	switch (i) {
	case 0:
		(*(__u32 *)img->priv)++;
		return "another version";
	case 1:
		c->mqd_size += 4;
		return "MQDs too large";
	case 2:
		c->mqd_size = 0;
		return "no MQD";
	case 3:
		c->mqd_size /= 2;
		return "MQDs of half the XCCs";
	case 4:
		c->ctl_stack_size -= 4;
		return "control stacks of different sizes, or too small";
	case 5:
		c->ctl_stack_size /= 2;
		return "control stacks too small";
	case 6:
		c->ctl_stack_size += 4096 * s->kfd.gpu.xccs;
		return "control stacks too large";
	case 7:
		c->ctl_stack_size = -4096 * s->kfd.gpu.xccs;
		return "control stacks huge";
	case 8:
		c->ctl_stack_size = 0;
		return "no control stack";
	case 9:
		img->args.priv_data_size--;
		return "truncated";
	case 10:
		img->args.priv_data_size = (__u8 *)c + sizeof(*c) + 100 - img->priv;
		return "truncated in an MQD";
	case 11:
		img->args.priv_data_size = (__u8 *)c + sizeof(*c) - 1 - img->priv;
		return "truncated in a queue";
	case 12:
		img->args.priv_data_size += 8;
		return "too long";
	case 13:
		img->args.num_objects++;
		return "too many objects";
	case 14:
		c->type = 0xff;
		return "no such type";
	case 15:
		c->priority = KFD_MAX_QUEUE_PRIORITY + 1;
		return "no such priority";
	case 16:
		c->q_percent = KFD_MAX_QUEUE_PERCENTAGE + 1;
		return "no such percentage";
	case 17:
		c->gpu_id = ~c->gpu_id;
		return "no such GPU";
	case 18:
		c->q_id = 0xffffffff;
		return "no such id";
	case 19:
		c->doorbell_id = 0xffffffff;
		return "no such doorbell";
	case 20:
		c->ctx_save_restore_area_address += 4096;
		return "save area elsewhere";
	case 21:
		c->ctx_save_restore_area_size -= 4096;
		return "save area too small";
	case 22:
		c->q_address -= 1 << 30;
		return "no ring";
	case 23:
	case 24:
		c->type = i - 21;
		return "a queue of the kernel (HIQ, DIQ)";
	default:
		return NULL;
	}
}

static void try_restore(struct shared *sync)
{
	struct kfd kfd = s->kfd;

	sync->value[0] = -kfd_criu_restore(&kfd, img);
}

static void copy_image(struct kfd_image *to, const struct kfd_image *from)
{
	to->args = from->args;
	memcpy(to->devices, from->devices, sizeof(to->devices));
	memcpy(to->bos, from->bos, sizeof(to->bos));
	memcpy(to->priv, from->priv, from->args.priv_data_size + 64);
}

/* Is refused, and does no harm: the image can be restored afterwards */
KFD_TEST(damaged)
{
	struct criu_queue *c;
	const char *what;
	int i;

	if (!kfd_module_param("cwsr_enable", 1))
		SKIP(return, "the waves of a queue cannot be saved");
	checkpoint(_metadata, &(struct scenario){ .wide = true });
	copy_image(intact, img);
	c = find_queue();
	ASSERT_NE(NULL, c);
	ASSERT_EQ(s->kfd.gpu.xccs * MQD_SIZE, c->mqd_size);
	ASSERT_EQ(s->kfd.gpu.xccs * s->kfd.gpu.ctl_stack_size, c->ctl_stack_size);
	for (i = 0; (what = damage(i, c)); i++) {
		s->sync.value[0] = 0;
		EXPECT_TRUE(end_child(start_child(NULL, try_restore, &s->sync)));
		EXPECT_EQ(EINVAL, s->sync.value[0]) {
			TH_LOG("%s", what);
		}
		copy_image(img, intact);
	}
	restore(_metadata);
	ASSERT_EQ(0, kfd_criu_resume(&s->kfd));
	EXPECT_TRUE(end_work());
}

/*
 * Where the hardware looks for the waves comes from the image. Nothing there
 * lets KFD read behind the control stack; here its copy would go to user space.
 */
KFD_TEST(damaged_mqd)
{
	struct kfd_wave_state ws;
	struct criu_queue *c;
	__u32 *mqd, i;

	if (!kfd_module_param("cwsr_enable", 1))
		SKIP(return, "the waves of a queue cannot be saved");
	checkpoint(_metadata, &(struct scenario){ .wide = true });
	c = find_queue();
	ASSERT_NE(NULL, c);
	for (i = 0; i < s->kfd.gpu.xccs; i++) {
		mqd = (__u32 *)(c + 1) + i * MQD_SIZE / 4;
		/* All but the header, which nobody looks at */
		memset(mqd + 1, 0xa5 + i, MQD_SIZE - 4);
		mqd[MQD_CNTL_STACK_OFFSET] = 0x7fff0000 + i;
	}
	ASSERT_EQ(0, kfd_criu_restore(&s->kfd, img));
	ASSERT_EQ(0, kfd_queue_wave_state(&s->q[0], &ws));
	for (i = 0; i < s->kfd.gpu.xccs; i++)
		EXPECT_EQ(0, ws.ctl_stack[i]);
	/* Never mapped */
	EXPECT_EQ(0, kfd_queue_destroy(&s->q[0]));
}

/* Without CWSR there is no room for control stacks behind the MQDs */
KFD_TEST(no_cwsr)
{
	struct criu_queue *c;
	struct kfd_queue *q = &s->q[0];

	if (kfd_module_param("cwsr_enable", 1))
		SKIP(return, "with amdgpu.cwsr_enable=0 only");
	checkpoint(_metadata, &(struct scenario){ .no_queue = true });
	ASSERT_EQ(0, img->args.num_objects);
	c = (void *)(img->priv + img->args.priv_data_size);
	memset(c, 0, sizeof(*c));
	c->q_address = (uintptr_t)q->ring.cpu;
	c->q_size = q->ring_size;
	c->read_ptr_addr = (uintptr_t)&q->desc->read_dispatch_id;
	c->write_ptr_addr = (uintptr_t)&q->desc->write_dispatch_id;
	c->eop_ring_buffer_address = (uintptr_t)q->eop.cpu;
	c->eop_ring_buffer_size = q->eop.size;
	c->ctx_save_restore_area_address = (uintptr_t)q->cwsr.cpu;
	c->ctx_save_restore_area_size = s->kfd.gpu.cwsr_size;
	c->gpu_id = s->kfd.gpu.id;
	c->format = 1;		/* KFD_QUEUE_FORMAT_AQL */
	c->priority = 7;
	c->q_percent = 100;
	c->mqd_size = MQD_SIZE * s->kfd.gpu.xccs;
	c->ctl_stack_size = s->kfd.gpu.ctl_stack_size * s->kfd.gpu.xccs;
	img->args.num_objects = 1;
	img->args.priv_data_size += sizeof(*c) + c->mqd_size + c->ctl_stack_size;
	s->sync.value[0] = 0;
	EXPECT_TRUE(end_child(start_child(NULL, try_restore, &s->sync)));
	EXPECT_EQ(EINVAL, s->sync.value[0]);
}

TEST_HARNESS_MAIN
