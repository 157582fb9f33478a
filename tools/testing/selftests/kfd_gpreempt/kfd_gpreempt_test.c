// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of preempting and resuming a process's own compute queues by ioctl:
 * every workgroup runs exactly once, nothing of the ring changes, and no
 * moment of a queue's life is a bad one.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "kfd_gpreempt_test.h"

#define SAVE	KFD_IOC_PREEMPT_WAVEFRONT_SAVE
#define DRAIN	KFD_IOC_PREEMPT_WAVEFRONT_DRAIN

FIXTURE_SETUP(kfd)
{
	const char *why;

	why = setup_gpreempt(_metadata, self);
	if (why)
		SKIP(return, "%s", why);
}

/* A queue with a dispatch in flight that waits for kfd_job_release() */
static void start_waiting(struct __test_metadata *_metadata, struct _test_data_kfd *self,
			  int i, __u32 workgroups)
{
	long long rptr;

	if (!self->q[i].kfd)
		ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[i], NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[i], GFX942_WAIT, workgroups, 1));
	rptr = kfd_queue_rptr(&self->q[i]);
	kfd_job_submit(&self->job[i], &self->q[i]);
	ASSERT_EQ(0, wait_launched(&self->q[i], rptr + 1));
}

static void finish_waiting(struct __test_metadata *_metadata, struct _test_data_kfd *self, int i)
{
	kfd_job_release(&self->job[i]);
	ASSERT_EQ(0, kfd_job_wait(&self->job[i], KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(&self->job[i], 1));
}

KFD_TEST(waves_are_saved)
{
	struct kfd_ioctl_gpreempt_args before, args;
	struct kfd_wave_state ws;
	__u32 i;

	start_waiting(_metadata, self, 0, self->kfd.gpu.wave_slots / 2);
	ASSERT_EQ(0, kfd_gpreempt_query(&self->kfd, &self->q[0], &before));
	EXPECT_EQ(KFD_IOC_GPREEMPT_QUEUE_ACTIVE, before.queue_state);
	EXPECT_EQ(KFD_IOC_GPREEMPT_HOLDER_NONE, before.queue_holder);
	EXPECT_EQ(0, before.queue_preemptions);
	EXPECT_EQ(-EINVAL, kfd_queue_wave_state(&self->q[0], &ws));

	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	ASSERT_EQ(0, kfd_gpreempt_query(&self->kfd, &self->q[0], &args));
	EXPECT_EQ(KFD_IOC_GPREEMPT_QUEUE_PREEMPTED, args.queue_state);
	EXPECT_EQ(KFD_IOC_GPREEMPT_HOLDER_IOCTL, args.queue_holder);
	EXPECT_EQ(1, args.queue_preemptions);
	EXPECT_EQ(before.preemptions + 1, args.preemptions);
	ASSERT_EQ(0, kfd_queue_wave_state(&self->q[0], &ws));
	for (i = 0; i < self->kfd.gpu.xccs; i++) {
		EXPECT_LT(0, ws.ctl_stack[i]);
		EXPECT_LT(0, ws.waves[i]);
	}

	/* They could go on now, were they there */
	kfd_job_release(&self->job[0]);
	usleep(30000);
	EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
	EXPECT_FALSE(kfd_job_done(&self->job[0]));

	ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	finish_waiting(_metadata, self, 0);
	ASSERT_EQ(0, kfd_gpreempt_query(&self->kfd, &self->q[0], &args));
	EXPECT_EQ(KFD_IOC_GPREEMPT_QUEUE_ACTIVE, args.queue_state);
	EXPECT_EQ(KFD_IOC_GPREEMPT_HOLDER_NONE, args.queue_holder);
	EXPECT_EQ(before.resumes + 1, args.resumes);
}

/* What a wave has done before a save stays done: else this would never end */
KFD_TEST(waves_progress)
{
	struct kfd_job *work = &self->job[0];
	__u32 w = self->kfd.gpu.wave_slots * 2 + 3;
	int i;

	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, work, GFX942_COUNT, w, LOOPS_MS(60)));
	kfd_job_submit(work, &self->q[0]);
	for (i = 0; i < 5000 && !kfd_job_done(work); i++) {
		usleep(10000);
		ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
		ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	}
	ASSERT_EQ(0, kfd_job_wait(work, KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(work, 1));
}

KFD_TEST(idle_queue)
{
	struct kfd_job *work = &self->job[0];
	struct kfd_wave_state ws;

	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, work, GFX942_COUNT, 50, 1));
	/* Never used, then used */
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	kfd_job_submit_n(work, &self->q[0], 5);
	ASSERT_EQ(0, kfd_job_wait(work, KFD_TIMEOUT_MS));
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	ASSERT_EQ(0, kfd_queue_wave_state(&self->q[0], &ws));
	EXPECT_EQ(0, ws.total);
	/* Submitted while preempted: stays in the ring */
	kfd_job_submit_n(work, &self->q[0], 5);
	usleep(20000);
	EXPECT_EQ(0, kfd_job_wrong(work, 5));
	EXPECT_EQ(5, kfd_queue_rptr(&self->q[0]));
	ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	ASSERT_EQ(0, kfd_job_wait(work, KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(work, 10));
}

KFD_TEST(twice)
{
	struct kfd_ioctl_gpreempt_args args;

	start_waiting(_metadata, self, 0, 100);
	EXPECT_EQ(0, kfd_queue_resume(&self->q[0]));
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	EXPECT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	ASSERT_EQ(0, kfd_gpreempt_query(&self->kfd, &self->q[0], &args));
	EXPECT_EQ(1, args.queue_preemptions);
	ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	EXPECT_EQ(0, kfd_queue_resume(&self->q[0]));
	EXPECT_EQ(KFD_IOC_GPREEMPT_QUEUE_ACTIVE, queue_state(&self->q[0]));
	finish_waiting(_metadata, self, 0);
}

KFD_TEST(bad_arguments)
{
	struct kfd *kfd = &self->kfd;
	struct kfd_ioctl_preempt_queue_args p;
	struct kfd_ioctl_resume_queue_args r;
	__u32 type;

	start_waiting(_metadata, self, 0, 100);
	p = (struct kfd_ioctl_preempt_queue_args){ .queue_id = 1000, .preempt_type = SAVE };
	EXPECT_EQ(-EINVAL, kfd_ioctl(kfd, AMDKFD_IOC_PREEMPT_QUEUE, &p));
	p.queue_id = 0xffffffff;
	EXPECT_EQ(-EINVAL, kfd_ioctl(kfd, AMDKFD_IOC_PREEMPT_QUEUE, &p));
	p.queue_id = self->q[0].id;
	for (type = 0; type < 33; type++) {
		p.preempt_type = type < 32 ? 1u << type : 0xffffffff;
		if (p.preempt_type != SAVE)
			EXPECT_EQ(-EINVAL, kfd_ioctl(kfd, AMDKFD_IOC_PREEMPT_QUEUE, &p));
	}
	p.preempt_type = 3;
	EXPECT_EQ(-EINVAL, kfd_ioctl(kfd, AMDKFD_IOC_PREEMPT_QUEUE, &p));
	p.preempt_type = SAVE;
	r = (struct kfd_ioctl_resume_queue_args){ .queue_id = 1000 };
	EXPECT_EQ(-EINVAL, kfd_ioctl(kfd, AMDKFD_IOC_RESUME_QUEUE, &r));
	r.queue_id = self->q[0].id;
	r.pad = 1;
	EXPECT_EQ(-EINVAL, kfd_ioctl(kfd, AMDKFD_IOC_RESUME_QUEUE, &r));
	r.pad = 0;
	EXPECT_EQ(KFD_IOC_GPREEMPT_QUEUE_ACTIVE, queue_state(&self->q[0]));

	/* One's own pid is as good as 0; a time is taken too */
	p.pid = getpid();
	p.timeout_ms = 1000;
	EXPECT_EQ(0, kfd_ioctl(kfd, AMDKFD_IOC_PREEMPT_QUEUE, &p));
	EXPECT_EQ(KFD_IOC_GPREEMPT_QUEUE_PREEMPTED, queue_state(&self->q[0]));
	r.pid = getpid();
	EXPECT_EQ(0, kfd_ioctl(kfd, AMDKFD_IOC_RESUME_QUEUE, &r));
	finish_waiting(_metadata, self, 0);

	/* A destroyed queue is none */
	ASSERT_EQ(0, kfd_queue_destroy(&self->q[0]));
	EXPECT_EQ(-EINVAL, kfd_queue_preempt(&self->q[0], SAVE, 0));
	EXPECT_EQ(-EINVAL, kfd_queue_resume(&self->q[0]));
}

KFD_TEST(gpreempt_bad_arguments)
{
	struct kfd *kfd = &self->kfd;
	const struct kfd_ioctl_gpreempt_args query = {
		.op = KFD_IOC_GPREEMPT_OP_QUERY,
		.gpu_id = kfd->gpu.id,
		.queue_id = KFD_IOC_GPREEMPT_NO_QUEUE,
	}, get = {
		.op = KFD_IOC_GPREEMPT_OP_GET,
		.gpu_id = kfd->gpu.id,
	};
	struct kfd_ioctl_gpreempt_args a;

	a = query;
	EXPECT_EQ(0, kfd_ioctl(kfd, AMDKFD_IOC_GPREEMPT, &a));
	a = query;
	a.op = KFD_IOC_GPREEMPT_OP_NEXT_PID + 1;
	EXPECT_EQ(-EINVAL, kfd_ioctl(kfd, AMDKFD_IOC_GPREEMPT, &a));
	a = query;
	a.gpu_id = ~kfd->gpu.id;
	EXPECT_EQ(-EINVAL, kfd_ioctl(kfd, AMDKFD_IOC_GPREEMPT, &a));
	a = query;
	a.queue_id = 1000;
	EXPECT_EQ(-EINVAL, kfd_ioctl(kfd, AMDKFD_IOC_GPREEMPT, &a));
	a = query;
	a.param = 1;
	EXPECT_EQ(-EINVAL, kfd_ioctl(kfd, AMDKFD_IOC_GPREEMPT, &a));
	a = query;
	a.value = 1;
	EXPECT_EQ(-EINVAL, kfd_ioctl(kfd, AMDKFD_IOC_GPREEMPT, &a));
	a = get;
	EXPECT_EQ(0, kfd_ioctl(kfd, AMDKFD_IOC_GPREEMPT, &a));
	a = get;
	a.param = KFD_IOC_GPREEMPT_PARAM_RANK + 1;
	EXPECT_EQ(-EINVAL, kfd_ioctl(kfd, AMDKFD_IOC_GPREEMPT, &a));
	a = get;
	a.queue_id = 1;
	EXPECT_EQ(-EINVAL, kfd_ioctl(kfd, AMDKFD_IOC_GPREEMPT, &a));
	a = get;
	a.gpu_id = ~kfd->gpu.id;
	EXPECT_EQ(-EINVAL, kfd_ioctl(kfd, AMDKFD_IOC_GPREEMPT, &a));
	a = get;
	a.op = KFD_IOC_GPREEMPT_OP_SET;
	a.queue_id = 1;
	EXPECT_EQ(-EINVAL, kfd_ioctl(kfd, AMDKFD_IOC_GPREEMPT, &a));
	/* There is nothing to read if there is no queue */
	a = query;
	a.flags = KFD_IOC_GPREEMPT_READ_PENDING;
	EXPECT_EQ(-EINVAL, kfd_ioctl(kfd, AMDKFD_IOC_GPREEMPT, &a));
	a = query;
	a.pid = getpid();
	EXPECT_EQ(-EINVAL, kfd_ioctl(kfd, AMDKFD_IOC_GPREEMPT, &a));
}

/* Each member that an operation does not use, and each bit of the flags */
KFD_TEST(gpreempt_unused_members)
{
	struct kfd *kfd = &self->kfd;
	struct kfd_ioctl_gpreempt_args a, good;
	__u32 op, bit;

	ASSERT_EQ(0, kfd_queue_create(kfd, &self->q[0], NULL));
	for (op = 0; op <= KFD_IOC_GPREEMPT_OP_NEXT_PID; op++) {
		bool queue = op == KFD_IOC_GPREEMPT_OP_QUERY ||
			     op == KFD_IOC_GPREEMPT_OP_NEXT_QUEUE;
		bool param = op == KFD_IOC_GPREEMPT_OP_GET || op == KFD_IOC_GPREEMPT_OP_SET;

		good = (struct kfd_ioctl_gpreempt_args){ .op = op, .gpu_id = kfd->gpu.id };
		if (queue)
			good.queue_id = self->q[0].id;
		if (op != KFD_IOC_GPREEMPT_OP_SET) {
			a = good;
			ASSERT_EQ(0, kfd_ioctl(kfd, AMDKFD_IOC_GPREEMPT, &a)) TH_LOG("op %u", op);
		}
		/* What comes from KFD may hold anything before */
		if (op != KFD_IOC_GPREEMPT_OP_SET) {
			a = good;
			memset(&a.queue_state, 0xa5, sizeof(a) - offsetof(typeof(a), queue_state));
			EXPECT_EQ(0, kfd_ioctl(kfd, AMDKFD_IOC_GPREEMPT, &a));
			EXPECT_EQ(queue ? 0 : 0xa5a5a5a5, a.queue_pad);
		}
		if (!param) {
			a = good;
			a.param = 1;
			EXPECT_EQ(-EINVAL, kfd_ioctl(kfd, AMDKFD_IOC_GPREEMPT, &a));
			a = good;
			a.value = 1ull << 63;
			EXPECT_EQ(-EINVAL, kfd_ioctl(kfd, AMDKFD_IOC_GPREEMPT, &a));
		}
		if (!queue) {
			a = good;
			a.queue_id = 1;
			EXPECT_EQ(-EINVAL, kfd_ioctl(kfd, AMDKFD_IOC_GPREEMPT, &a));
		}
		if (param) {
			a = good;
			a.pid = getpid();
			EXPECT_EQ(-EINVAL, kfd_ioctl(kfd, AMDKFD_IOC_GPREEMPT, &a));
		}
		for (bit = queue ? 2 : 0; bit < 32; bit++) {
			a = good;
			a.flags = 1u << bit;
			EXPECT_EQ(-EINVAL, kfd_ioctl(kfd, AMDKFD_IOC_GPREEMPT, &a));
		}
	}
}

/* Queues are found in the order of their IDs, whatever order they came in */
KFD_TEST(next_queue)
{
	struct kfd *kfd = &self->kfd;
	struct kfd_ioctl_gpreempt_args a;
	struct kfd_queue_opts opts = { .has_priority = true };
	__u32 from = 0, n = 0;
	int i;

	EXPECT_EQ(-ENOENT, kfd_gpreempt_next_queue(kfd, 0, 0, 0, &a));
	for (i = 0; i < 4; i++) {
		opts.priority = 2 * i;
		ASSERT_EQ(0, kfd_queue_create(kfd, &self->q[i], &opts));
	}
	/* The first ID is free again, and taken by the last of the list */
	ASSERT_EQ(0, kfd_queue_destroy(&self->q[0]));
	opts.priority = 15;
	ASSERT_EQ(0, kfd_queue_create(kfd, &self->q[0], &opts));
	while (!kfd_gpreempt_next_queue(kfd, 0, from, 0, &a)) {
		ASSERT_GE(a.queue_id, from);
		for (i = 0; i < 4 && self->q[i].id != a.queue_id; i++)
			;
		ASSERT_GT(4, i);
		EXPECT_EQ(i ? 2 * i : 15, a.queue_priority);
		EXPECT_EQ(KFD_IOC_GPREEMPT_QUEUE_RUNS | KFD_IOC_GPREEMPT_QUEUE_PREEMPTIBLE,
			  a.queue_flags);
		from = a.queue_id + 1;
		n++;
	}
	EXPECT_EQ(4, n);
	EXPECT_EQ(-ENOENT, kfd_gpreempt_next_queue(kfd, 0, from, 0, &a));
	EXPECT_EQ(-ENOENT, kfd_gpreempt_next_queue(kfd, 0, -1, 0, &a));
	/* By its own pid as well */
	EXPECT_EQ(0, kfd_gpreempt_next_queue(kfd, getpid(), 0, 0, &a));
}

#define READ_ALL	(KFD_IOC_GPREEMPT_READ_PENDING | KFD_IOC_GPREEMPT_READ_WAVES)
#define PENDING_KNOWN	KFD_IOC_GPREEMPT_QUEUE_PENDING_KNOWN
#define WAVES_KNOWN	KFD_IOC_GPREEMPT_QUEUE_WAVES_KNOWN
#define RUNS		KFD_IOC_GPREEMPT_QUEUE_RUNS

/* What the query says of a queue, before, while and after it is preempted */
KFD_TEST(query_members)
{
	struct kfd_queue_opts opts = { .has_priority = true, .priority = 9 };
	struct kfd *kfd = &self->kfd;
	struct kfd_ioctl_gpreempt_args a;
	struct kfd_queue *q = &self->q[0];
	struct kfd_job *job = self->job;
	__u64 us;

	ASSERT_EQ(0, kfd_queue_create(kfd, q, &opts));
	ASSERT_EQ(0, kfd_gpreempt_query_of(kfd, 0, q->id, 0, &a));
	EXPECT_EQ(9, a.queue_priority);
	EXPECT_EQ(0, a.queue_flags & (PENDING_KNOWN | WAVES_KNOWN));
	EXPECT_EQ(0, a.queue_since_ns);
	ASSERT_EQ(0, kfd_gpreempt_query_of(kfd, 0, q->id, READ_ALL, &a));
	EXPECT_EQ(PENDING_KNOWN | WAVES_KNOWN, a.queue_flags & (PENDING_KNOWN | WAVES_KNOWN));
	EXPECT_EQ(0, a.queue_pending);
	EXPECT_EQ(0, a.queue_waves);

	ASSERT_EQ(0, kfd_job_init(kfd, &job[0], GFX942_WAIT, 40, 1));
	ASSERT_EQ(0, kfd_job_init(kfd, &job[1], GFX942_COUNT, 10, 1));
	kfd_job_submit(&job[0], q);
	ASSERT_EQ(0, wait_launched(q, 1));
	us = kfd_now_us();
	/* A runlist may be under way, for processes that are gone */
	do {
		ASSERT_EQ(0, kfd_gpreempt_query_of(kfd, 0, q->id, READ_ALL, &a));
	} while (a.queue_waves != 40 && kfd_now_us() - us < KFD_TIMEOUT_MS * 1000ull);
	EXPECT_EQ(0, a.queue_pending);
	EXPECT_EQ(40, a.queue_waves);
	EXPECT_NE(0, a.queue_flags & RUNS);

	us = kfd_now_us();
	ASSERT_EQ(0, kfd_queue_preempt(q, SAVE, 0));
	kfd_job_submit_n(&job[1], q, 3);
	usleep(20000);
	ASSERT_EQ(0, kfd_gpreempt_query_of(kfd, 0, q->id, READ_ALL, &a));
	EXPECT_EQ(3, a.queue_pending);
	EXPECT_EQ(0, a.queue_waves);
	EXPECT_EQ(0, a.queue_flags & RUNS);
	EXPECT_LE(20000000, a.queue_since_ns);
	EXPECT_GE((kfd_now_us() - us + 1) * 1000, a.queue_since_ns);
	EXPECT_EQ(1, a.queue_preemptions);

	us = kfd_now_us();
	ASSERT_EQ(0, kfd_queue_resume(q));
	ASSERT_EQ(0, kfd_gpreempt_query_of(kfd, 0, q->id, 0, &a));
	EXPECT_NE(0, a.queue_flags & RUNS);
	EXPECT_GE((kfd_now_us() - us + 1) * 1000, a.queue_since_ns);
	kfd_job_release(&job[0]);
	ASSERT_EQ(0, kfd_job_wait(&job[1], KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(&job[0], 1));
	EXPECT_EQ(0, kfd_job_wrong(&job[1], 3));
	ASSERT_EQ(0, kfd_gpreempt_query_of(kfd, 0, q->id, READ_ALL, &a));
	EXPECT_EQ(0, a.queue_pending);
	EXPECT_EQ(0, a.queue_waves);
}

/* Pointers are the process's to write: nonsense is no pending work */
KFD_TEST(query_hostile_pointers)
{
	struct kfd *kfd = &self->kfd;
	struct kfd_ioctl_gpreempt_args a;
	struct kfd_queue *q = &self->q[0];
	__u64 good;

	ASSERT_EQ(0, kfd_queue_create(kfd, q, NULL));
	ASSERT_EQ(0, kfd_queue_preempt(q, SAVE, 0));
	good = q->desc->write_dispatch_id;
	q->desc->write_dispatch_id = good + q->ring_size / 64;
	ASSERT_EQ(0, kfd_gpreempt_query_of(kfd, 0, q->id, READ_ALL, &a));
	EXPECT_EQ(q->ring_size / 64, a.queue_pending);
	q->desc->write_dispatch_id++;
	ASSERT_EQ(0, kfd_gpreempt_query_of(kfd, 0, q->id, READ_ALL, &a));
	EXPECT_EQ(0, a.queue_pending);
	EXPECT_NE(0, a.queue_flags & PENDING_KNOWN);
	q->desc->write_dispatch_id = good - 1;
	ASSERT_EQ(0, kfd_gpreempt_query_of(kfd, 0, q->id, READ_ALL, &a));
	EXPECT_EQ(0, a.queue_pending);
	q->desc->write_dispatch_id = good;
	/* And no memory at all */
	ASSERT_EQ(0, mprotect(q->ptrs.cpu, 4096, PROT_NONE));
	ASSERT_EQ(0, kfd_gpreempt_query_of(kfd, 0, q->id, READ_ALL, &a));
	EXPECT_EQ(0, a.queue_flags & PENDING_KNOWN);
	EXPECT_EQ(0, a.queue_pending);
	ASSERT_EQ(0, mprotect(q->ptrs.cpu, 4096, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, kfd_queue_resume(q));
}

/* Between what mainline has and ours there is nothing */
KFD_TEST(ioctl_numbers)
{
	char args[64] = { 0 };
	int nr;

	for (nr = 0x40; nr < 0x100; nr++) {
		if (nr >= 0x87 && nr <= 0x89)
			continue;
		errno = 0;
		EXPECT_EQ(-1, ioctl(self->kfd.fd, _IOC(_IOC_READ | _IOC_WRITE, 'K', nr, 16), args));
		EXPECT_EQ(ENOTTY, errno) TH_LOG("number 0x%x", nr);
	}
}

/* Programs built with longer and with shorter structures */
KFD_TEST(ioctl_sizes)
{
	struct {
		struct kfd_ioctl_preempt_queue_args args;
		__u64 more[4];
	} p = { 0 };

	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], NULL));
	p.args.queue_id = self->q[0].id;
	p.args.preempt_type = SAVE;
	EXPECT_EQ(0, ioctl(self->kfd.fd, AMDKFD_IOW(0x87, p), &p));
	EXPECT_EQ(KFD_IOC_GPREEMPT_QUEUE_PREEMPTED, queue_state(&self->q[0]));
	EXPECT_EQ(0, ioctl(self->kfd.fd, AMDKFD_IOW(0x88, __u32), &self->q[0].id));
	EXPECT_EQ(KFD_IOC_GPREEMPT_QUEUE_ACTIVE, queue_state(&self->q[0]));
}

KFD_TEST(not_a_compute_queue)
{
	struct kfd_ioctl_create_queue_args args = { 0 };
	struct kfd_mem ring, ptrs;
	struct kfd_queue q = { .kfd = &self->kfd };
	int r;

	ASSERT_EQ(0, kfd_mem_alloc(&self->kfd, &ring, 65536, KFD_IOC_ALLOC_MEM_FLAGS_GTT));
	ASSERT_EQ(0, kfd_mem_alloc(&self->kfd, &ptrs, 4096, KFD_IOC_ALLOC_MEM_FLAGS_GTT));
	args.ring_base_address = (uintptr_t)ring.cpu;
	args.ring_size = 65536;
	args.write_pointer_address = (uintptr_t)ptrs.cpu;
	args.read_pointer_address = (uintptr_t)ptrs.cpu + 64;
	args.gpu_id = self->kfd.gpu.id;
	args.queue_type = KFD_IOC_QUEUE_TYPE_SDMA;
	args.queue_percentage = 100;
	args.queue_priority = 7;
	r = kfd_ioctl(&self->kfd, AMDKFD_IOC_CREATE_QUEUE, &args);
	if (r)
		SKIP(return, "no SDMA queue");
	q.id = args.queue_id;
	EXPECT_EQ(-EOPNOTSUPP, kfd_queue_preempt(&q, SAVE, 0));
	EXPECT_EQ(-EOPNOTSUPP, kfd_queue_resume(&q));
	EXPECT_EQ(0, kfd_queue_destroy(&q));
}

KFD_TEST(drain)
{
	struct kfd_job *work = &self->job[0];
	__u32 w = self->kfd.gpu.wave_slots / 2;
	struct kfd_wave_state ws;

	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, work, GFX942_COUNT, w, LOOPS_MS(30)));
	kfd_job_submit(work, &self->q[0]);
	ASSERT_EQ(0, wait_launched(&self->q[0], 1));
	if (!kfd_no_hws()) {
		EXPECT_EQ(-EOPNOTSUPP, kfd_queue_preempt(&self->q[0], DRAIN, 0));
		EXPECT_EQ(KFD_IOC_GPREEMPT_QUEUE_ACTIVE, queue_state(&self->q[0]));
		ASSERT_EQ(0, kfd_job_wait(work, KFD_TIMEOUT_MS));
		EXPECT_EQ(0, kfd_job_wrong(work, 1));
		return;
	}

	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], DRAIN, 0));
	EXPECT_EQ(KFD_IOC_GPREEMPT_QUEUE_PREEMPTED, queue_state(&self->q[0]));
	EXPECT_EQ(0, kfd_job_wrong(work, 1));
	ASSERT_EQ(0, kfd_queue_wave_state(&self->q[0], &ws));
	EXPECT_EQ(0, ws.total);
	kfd_job_submit(work, &self->q[0]);
	usleep(20000);
	EXPECT_EQ(0, kfd_job_wrong(work, 1));
	ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	ASSERT_EQ(0, kfd_job_wait(work, KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(work, 2));
}

KFD_TEST(drain_times_out)
{
	if (!kfd_no_hws())
		SKIP(return, "drains without HWS only");
	start_waiting(_metadata, self, 0, 200);
	EXPECT_EQ(-ETIME, kfd_queue_preempt(&self->q[0], DRAIN, 50));
	EXPECT_EQ(KFD_IOC_GPREEMPT_QUEUE_ACTIVE, queue_state(&self->q[0]));
	/* The queue is as good as before */
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	finish_waiting(_metadata, self, 0);
}

/* Promise: ring contents, rptr and wptr are never touched */
KFD_TEST(ring_untouched)
{
	struct kfd_job *behind = &self->job[1];
	struct kfd_queue *q = &self->q[0];
	struct kfd_queue_desc desc;
	char *ring;
	int i;

	ASSERT_EQ(0, kfd_queue_create(&self->kfd, q, NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, behind, GFX942_COUNT, 100, 1));
	kfd_job_submit_n(behind, q, 17);
	ASSERT_EQ(0, kfd_job_wait(behind, KFD_TIMEOUT_MS));
	start_waiting(_metadata, self, 0, 100);
	kfd_job_submit_n(behind, q, 100);
	usleep(10000);
	ring = malloc(q->ring_size);
	ASSERT_NE(NULL, ring);
	memcpy(ring, q->ring.cpu, q->ring_size);
	desc = *q->desc;
	EXPECT_EQ(18, desc.read_dispatch_id);
	EXPECT_EQ(118, desc.write_dispatch_id);
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, kfd_queue_preempt(q, SAVE, 0));
		EXPECT_EQ(0, memcmp(ring, q->ring.cpu, q->ring_size));
		EXPECT_EQ(0, memcmp(&desc, q->desc, sizeof(desc)));
		ASSERT_EQ(0, kfd_queue_resume(q));
		usleep(2000);
		EXPECT_EQ(0, memcmp(ring, q->ring.cpu, q->ring_size));
		EXPECT_EQ(0, memcmp(&desc, q->desc, sizeof(desc)));
	}
	finish_waiting(_metadata, self, 0);
	ASSERT_EQ(0, kfd_job_wait(behind, KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(behind, 117));
	EXPECT_EQ(118, kfd_queue_rptr(q));
}

/* Several dispatches in flight at once, one at its beginning, one at its end */
KFD_TEST(wide_dispatches)
{
	struct kfd_job *work = self->job;
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[i], NULL));
		ASSERT_EQ(0, kfd_job_init(&self->kfd, &work[i], GFX942_COUNT,
					  self->kfd.gpu.wave_slots * 2 + 13, LOOPS_MS(4)));
		work[i].overlap = i;
		kfd_job_submit_n(&work[i], &self->q[i], 4);
	}
	for (i = 0; i < 30; i++) {
		ASSERT_EQ(0, kfd_queue_preempt(&self->q[i & 1], SAVE, 0));
		usleep(rand() % 3000);
		ASSERT_EQ(0, kfd_queue_resume(&self->q[i & 1]));
	}
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, kfd_job_wait(&work[i], KFD_TIMEOUT_MS));
		EXPECT_EQ(0, kfd_job_wrong(&work[i], 4));
	}
}

KFD_TEST(many_cycles)
{
	struct kfd_job *work = self->job;
	bool off[4] = { false };
	int i, n;

	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[i], NULL));
		ASSERT_EQ(0, kfd_job_init(&self->kfd, &work[i], GFX942_COUNT,
					  100 + self->kfd.gpu.wave_slots / 2 * i, LOOPS_MS(2)));
		work[i].overlap = i & 1;
		kfd_job_submit_n(&work[i], &self->q[i], 40);
	}
	for (n = 0; n < 40; n++) {
		i = rand() % 4;
		ASSERT_EQ(0, off[i] ? kfd_queue_resume(&self->q[i]) :
				      kfd_queue_preempt(&self->q[i], SAVE, 0));
		off[i] = !off[i];
		if (rand() % 4 == 0)
			usleep(rand() % 3000);
	}
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, kfd_queue_resume(&self->q[i]));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, kfd_job_wait(&work[i], KFD_TIMEOUT_MS));
		EXPECT_EQ(0, kfd_job_wrong(&work[i], 40));
		EXPECT_EQ(40, kfd_queue_rptr(&self->q[i]));
	}
}

KFD_TEST(update_preempted)
{
	struct kfd_job *behind = &self->job[1];
	struct kfd_queue *q = &self->q[0];
	struct kfd_wave_state ws, ws2;
	struct kfd_mem ring;
	__u32 mask[32];

	ASSERT_EQ(0, kfd_queue_create(&self->kfd, q, NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, behind, GFX942_COUNT, 100, 1));
	kfd_job_submit_n(behind, q, 5);
	ASSERT_EQ(0, kfd_job_wait(behind, KFD_TIMEOUT_MS));
	start_waiting(_metadata, self, 0, 300);
	kfd_job_submit_n(behind, q, 5);

	ASSERT_EQ(0, kfd_queue_preempt(q, SAVE, 0));
	ASSERT_EQ(0, kfd_queue_wave_state(q, &ws));
	q->priority = 11;
	ASSERT_EQ(0, kfd_queue_update(q));
	memset(mask, 0xff, sizeof(mask));
	ASSERT_EQ(0, kfd_queue_set_cu_mask(q, mask, 1024));
	ASSERT_EQ(0, kfd_mem_alloc(&self->kfd, &ring, 4096, KFD_IOC_ALLOC_MEM_FLAGS_GTT));
	ASSERT_EQ(0, kfd_queue_set_ring(q, &ring));
	EXPECT_EQ(KFD_IOC_GPREEMPT_QUEUE_PREEMPTED, queue_state(q));
	ASSERT_EQ(0, kfd_queue_wave_state(q, &ws2));
	EXPECT_EQ(0, memcmp(&ws, &ws2, sizeof(ws)));
	EXPECT_EQ(6, kfd_queue_rptr(q));
	kfd_job_release(&self->job[0]);
	usleep(20000);
	EXPECT_EQ(0, kfd_job_sum(&self->job[0]));

	ASSERT_EQ(0, kfd_queue_resume(q));
	finish_waiting(_metadata, self, 0);
	ASSERT_EQ(0, kfd_job_wait(behind, KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(behind, 10));
	EXPECT_EQ(11, kfd_queue_rptr(q));
}

/* Disabled and preempted are two reasons not to run; either is enough */
KFD_TEST(disable_preempted)
{
	struct kfd_queue *q = &self->q[0];
	int i;

	for (i = 0; i < 2; i++) {
		start_waiting(_metadata, self, 0, 200);
		q->percent = 0;
		if (i)
			ASSERT_EQ(0, kfd_queue_update(q));
		ASSERT_EQ(0, kfd_queue_preempt(q, SAVE, 0));
		ASSERT_EQ(0, kfd_queue_update(q));
		kfd_job_release(&self->job[0]);
		ASSERT_EQ(0, kfd_queue_resume(q));
		usleep(20000);
		EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
		ASSERT_EQ(0, kfd_queue_preempt(q, SAVE, 0));
		q->percent = 100;
		ASSERT_EQ(0, kfd_queue_update(q));
		usleep(20000);
		EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
		ASSERT_EQ(0, kfd_queue_resume(q));
		finish_waiting(_metadata, self, 0);
	}
}

KFD_TEST(userptr_eviction)
{
	struct kfd_mem victim;
	size_t size = 16 * 4096;
	int i;

	ASSERT_EQ(0, kfd_mem_userptr(&self->kfd, &victim, NULL, size));
	start_waiting(_metadata, self, 0, 300);
	start_waiting(_metadata, self, 1, 300);
	for (i = 0; i < 10; i++) {
		/* Before, while preempted, and racing with both ends */
		memset(victim.cpu, i, size);
		ASSERT_EQ(0, madvise(victim.cpu, size, MADV_DONTNEED));
		if (i & 1)
			usleep(4000);
		ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
		memset(victim.cpu, i, size);
		ASSERT_EQ(0, madvise(victim.cpu, size, MADV_DONTNEED));
		if (i & 2)
			usleep(4000);
		EXPECT_EQ(KFD_IOC_GPREEMPT_QUEUE_PREEMPTED, queue_state(&self->q[0]));
		ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	}
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	kfd_job_release(&self->job[0]);
	ASSERT_EQ(0, madvise(victim.cpu, size, MADV_DONTNEED));
	finish_waiting(_metadata, self, 1);
	usleep(20000);
	EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
	ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	finish_waiting(_metadata, self, 0);
}

static int evict_how(const char *how)
{
	char text[32];

	snprintf(text, sizeof(text), "%d %s", getpid(), how);
	return kfd_mock_write("evict", text);
}

static int evict(int on)
{
	return evict_how(on ? "on" : "off");
}

KFD_TEST(evict_and_preempt)
{
	if (!kfd_mock_present())
		SKIP(return, "needs the mock GPU");
	/* Evict, preempt, restore, resume */
	start_waiting(_metadata, self, 0, 300);
	ASSERT_EQ(0, evict(1));
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	kfd_job_release(&self->job[0]);
	ASSERT_EQ(0, evict(0));
	usleep(20000);
	EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
	ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	finish_waiting(_metadata, self, 0);

	/* Preempt, evict, restore, resume */
	start_waiting(_metadata, self, 0, 300);
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	ASSERT_EQ(0, evict(1));
	kfd_job_release(&self->job[0]);
	ASSERT_EQ(0, evict(0));
	usleep(20000);
	EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
	ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	finish_waiting(_metadata, self, 0);

	/* Preempt, evict, resume, restore */
	start_waiting(_metadata, self, 0, 300);
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	ASSERT_EQ(0, evict(1));
	kfd_job_release(&self->job[0]);
	ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	usleep(20000);
	EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
	ASSERT_EQ(0, evict(0));
	finish_waiting(_metadata, self, 0);

	/* Evict, preempt, resume, restore */
	start_waiting(_metadata, self, 0, 300);
	ASSERT_EQ(0, evict(1));
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	kfd_job_release(&self->job[0]);
	usleep(20000);
	EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
	ASSERT_EQ(0, evict(0));
	finish_waiting(_metadata, self, 0);
}

/* KFD moves memory back into VRAM 100 ms after it had to leave, and the process goes on */
#define RESTORED_US	150000

/* Saved waves move, since their memory is wanted by somebody else */
KFD_TEST(vram_eviction)
{
	struct kfd_queue_opts opts = { .cwsr = KFD_CWSR_VRAM };
	int i;

	if (!kfd_mock_present())
		SKIP(return, "needs the mock GPU");
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], &opts));
	for (i = 0; i < 3; i++) {
		start_waiting(_metadata, self, 0, self->kfd.gpu.wave_slots / 2);
		if (i == 2)
			ASSERT_EQ(0, evict_how("vram"));
		ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
		if (i < 2)
			ASSERT_EQ(0, evict_how("vram"));
		kfd_job_release(&self->job[0]);
		if (i != 1) {
			usleep(RESTORED_US);
			EXPECT_EQ(KFD_IOC_GPREEMPT_QUEUE_PREEMPTED, queue_state(&self->q[0]));
		}
		EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
		ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
		finish_waiting(_metadata, self, 0);
	}
}

KFD_TEST(suspend_preempted)
{
	if (!kfd_mock_present())
		SKIP(return, "needs the mock GPU");
	start_waiting(_metadata, self, 0, 300);
	start_waiting(_metadata, self, 1, 300);
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	ASSERT_EQ(0, kfd_mock_write("suspend", "1"));
	kfd_job_release(&self->job[0]);
	finish_waiting(_metadata, self, 1);
	usleep(20000);
	EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
	EXPECT_EQ(KFD_IOC_GPREEMPT_QUEUE_PREEMPTED, queue_state(&self->q[0]));
	ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	finish_waiting(_metadata, self, 0);
}

/* A scheduler that is halted maps nothing, and forgets nothing */
KFD_TEST(halt)
{
	struct kfd_wave_state ws;
	int i;

	if (!kfd_mock_present())
		SKIP(return, "needs the mock GPU");
	if (kfd_no_hws()) {
		EXPECT_EQ(-EOPNOTSUPP, kfd_mock_write("halt", "on"));
		EXPECT_EQ(-EOPNOTSUPP, kfd_mock_write("halt", "off"));
		return;
	}

	for (i = 0; i < 8; i++) {
		bool preempt_halted = i & 1, resume_halted = i & 2, twice = i & 4;

		start_waiting(_metadata, self, 0, 300);
		start_waiting(_metadata, self, 1, 300);
		if (!preempt_halted)
			ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
		ASSERT_EQ(0, kfd_mock_write("halt", "on"));
		EXPECT_EQ(0, kfd_mock_stat("wg_in_flight"));
		if (preempt_halted)
			ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
		EXPECT_EQ(KFD_IOC_GPREEMPT_QUEUE_PREEMPTED, queue_state(&self->q[0]));
		ASSERT_EQ(0, kfd_queue_wave_state(&self->q[0], &ws));
		EXPECT_LT(0, ws.total);
		if (twice) {
			ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
			ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
		}
		kfd_job_release(&self->job[0]);
		kfd_job_release(&self->job[1]);
		if (resume_halted)
			ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
		usleep(20000);
		EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
		EXPECT_EQ(0, kfd_job_sum(&self->job[1]));
		ASSERT_EQ(0, kfd_mock_write("halt", "off"));
		finish_waiting(_metadata, self, 1);
		usleep(20000);
		if (!resume_halted) {
			EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
			ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
		}
		finish_waiting(_metadata, self, 0);
	}
}

static void *halter(void *arg)
{
	int *stop = arg;

	while (!__atomic_load_n(stop, __ATOMIC_ACQUIRE)) {
		if (kfd_mock_write("halt", "1"))
			return (void *)1;
		usleep(1000);
	}
	return NULL;
}

KFD_TEST(halt_races)
{
	int i, stop = 0;
	pthread_t thread;
	void *failed;

	if (!kfd_mock_present() || kfd_no_hws())
		SKIP(return, "needs the mock GPU's HWS");
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[0], GFX942_COUNT, 400, LOOPS_MS(2)));
	ASSERT_EQ(0, pthread_create(&thread, NULL, halter, &stop));
	kfd_job_submit_n(&self->job[0], &self->q[0], 20);
	for (i = 0; i < 50; i++) {
		EXPECT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
		usleep(rand() % 1000);
		EXPECT_EQ(0, kfd_queue_resume(&self->q[0]));
		usleep(rand() % 1000);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	pthread_join(thread, &failed);
	EXPECT_EQ(NULL, failed);
	ASSERT_EQ(0, kfd_job_wait(&self->job[0], KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(&self->job[0], 20));
}

static void after_reset(struct shared *s)
{
	struct kfd_queue q;
	struct kfd_job job;
	struct kfd kfd;

	(void)s;
	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(!kfd_queue_create(&kfd, &q, NULL));
	CHILD_CHECK(!kfd_job_init(&kfd, &job, GFX942_WAIT, 300, 1));
	kfd_job_submit(&job, &q);
	CHILD_CHECK(!wait_launched(&q, 1));
	CHILD_CHECK(!kfd_queue_preempt(&q, SAVE, 0));
	kfd_job_release(&job);
	CHILD_CHECK(!kfd_queue_resume(&q));
	CHILD_CHECK(!kfd_job_wait(&job, KFD_TIMEOUT_MS));
	CHILD_CHECK(!kfd_job_wrong(&job, 1));
}

KFD_TEST(reset_preempted)
{
	pid_t pid;
	int r;

	if (!kfd_mock_present())
		SKIP(return, "needs the mock GPU");
	start_waiting(_metadata, self, 0, 300);
	start_waiting(_metadata, self, 1, 300);
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	ASSERT_EQ(0, kfd_mock_write("reset", "1"));
	/* KFD keeps the process evicted: these may fail, but nothing may break */
	r = kfd_queue_resume(&self->q[0]);
	EXPECT_TRUE(!r || r == -EIO);
	r = kfd_queue_preempt(&self->q[1], SAVE, 0);
	EXPECT_TRUE(!r || r == -EIO);
	kfd_job_release(&self->job[0]);
	kfd_job_release(&self->job[1]);
	usleep(20000);
	EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
	EXPECT_EQ(0, kfd_job_sum(&self->job[1]));
	pid = start_child(&self->kfd, after_reset, NULL);
	ASSERT_LT(0, pid);
	EXPECT_TRUE(end_child(pid));
	EXPECT_EQ(0, kfd_queue_destroy(&self->q[0]));
	EXPECT_EQ(0, kfd_queue_destroy(&self->q[1]));
}

KFD_TEST(destroy_preempted)
{
	struct kfd_job *work = &self->job[1];
	int i;

	ASSERT_EQ(0, kfd_job_init(&self->kfd, work, GFX942_COUNT, 100, 1));
	for (i = 1; i <= 5; i++) {
		start_waiting(_metadata, self, 0, 300);
		ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
		ASSERT_EQ(0, kfd_queue_destroy(&self->q[0]));
		kfd_job_release(&self->job[0]);
		kfd_queue_free(&self->q[0]);
		ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[1], NULL));
		kfd_job_submit(work, &self->q[1]);
		ASSERT_EQ(0, kfd_job_wait(work, KFD_TIMEOUT_MS));
		EXPECT_EQ(0, kfd_job_wrong(work, i));
		ASSERT_EQ(0, kfd_queue_destroy(&self->q[1]));
		kfd_queue_free(&self->q[1]);
		EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
		self->q[0].kfd = NULL;
	}
}

static void preempted_child(struct shared *s)
{
	struct kfd_queue q[3];
	struct kfd_job job;
	struct kfd kfd;
	int i;

	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(!kfd_job_init(&kfd, &job, GFX942_WAIT, 300, 1));
	for (i = 0; i < 3; i++) {
		CHILD_CHECK(!kfd_queue_create(&kfd, &q[i], NULL));
		kfd_job_submit_n(&job, &q[i], 3);
		CHILD_CHECK(!wait_launched(&q[i], 1));
	}
	CHILD_CHECK(!kfd_queue_preempt(&q[0], SAVE, 0));
	CHILD_CHECK(!kfd_queue_preempt(&q[1], SAVE, 0));
	set_step(s, 1);
	if (__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE))
		_exit(0);
	for (;;) {
		kfd_queue_resume(&q[1]);
		kfd_queue_preempt(&q[1], SAVE, 0);
	}
}

/* An exit and a kill -9, while one queue is preempted and one just so */
KFD_TEST(exit_preempted)
{
	struct shared *s = shared_page();
	struct kfd_job *work = &self->job[0];
	pid_t pid;
	int i;

	ASSERT_NE(NULL, s);
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, work, GFX942_COUNT, 300, LOOPS_MS(1)));
	for (i = 1; i <= 6; i++) {
		set_step(s, 0);
		s->stop = i & 1;
		pid = start_child(&self->kfd, preempted_child, s);
		ASSERT_LT(0, pid);
		EXPECT_TRUE(wait_step(s, 1));
		kfd_job_submit_n(work, &self->q[0], 10);
		usleep(rand() % 10000);
		EXPECT_TRUE(i & 1 ? end_child(pid) : kill_child(pid));
		ASSERT_EQ(0, kfd_job_wait(work, KFD_TIMEOUT_MS));
		EXPECT_EQ(0, kfd_job_wrong(work, 10 * i));
	}
}

/* What an ioctl holds is free when the file is closed */
KFD_TEST(close_resumes)
{
	struct kfd second = self->kfd;

	start_waiting(_metadata, self, 0, 200);
	second.fd = open("/dev/kfd", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, second.fd);
	self->q[0].kfd = &second;
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	self->q[0].kfd = &self->kfd;
	EXPECT_EQ(KFD_IOC_GPREEMPT_QUEUE_PREEMPTED, queue_state(&self->q[0]));
	close(second.fd);
	EXPECT_EQ(KFD_IOC_GPREEMPT_QUEUE_ACTIVE, queue_state(&self->q[0]));
	finish_waiting(_metadata, self, 0);
}

/* While one is preempted the others run, come and go */
KFD_TEST(others_run)
{
	struct kfd_job *work = self->job;
	struct kfd_wave_state ws, ws2;
	int i;

	start_waiting(_metadata, self, 0, 300);
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	ASSERT_EQ(0, kfd_queue_wave_state(&self->q[0], &ws));
	for (i = 1; i < 6; i++) {
		ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[i], NULL));
		ASSERT_EQ(0, kfd_job_init(&self->kfd, &work[i], GFX942_COUNT, 200, LOOPS_MS(1)));
		kfd_job_submit_n(&work[i], &self->q[i], 5);
	}
	for (i = 1; i < 6; i++) {
		ASSERT_EQ(0, kfd_job_wait(&work[i], KFD_TIMEOUT_MS));
		EXPECT_EQ(0, kfd_job_wrong(&work[i], 5));
	}
	for (i = 1; i < 6; i += 2)
		ASSERT_EQ(0, kfd_queue_destroy(&self->q[i]));
	/* The snapshot is what it was */
	ASSERT_EQ(0, kfd_queue_wave_state(&self->q[0], &ws2));
	EXPECT_EQ(0, memcmp(&ws, &ws2, sizeof(ws)));
	kfd_job_release(&work[0]);
	usleep(20000);
	EXPECT_EQ(0, kfd_job_sum(&work[0]));
	ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	finish_waiting(_metadata, self, 0);
	ASSERT_EQ(0, kfd_queue_destroy(&self->q[0]));
	kfd_queue_free(&self->q[0]);
	self->q[0].kfd = NULL;
	start_waiting(_metadata, self, 0, 300);
	finish_waiting(_metadata, self, 0);
}

/* A dead process leaves its runlist a little later */
static long long settled(const char *stat)
{
	long long a = kfd_mock_stat(stat), b;

	for (;;) {
		usleep(100000);
		b = kfd_mock_stat(stat);
		if (a == b)
			return a;
		a = b;
	}
}

/* A preempted queue does not count: a runlist of nothing is not sent */
KFD_TEST(no_runlist_for_nothing)
{
	struct kfd_queue_opts disabled = { .disabled = true };
	long long before;
	int i;

	if (kfd_no_hws())
		SKIP(return, "no runlists without HWS");
	if (kfd_mock_stat("hiq_run_list") < 0)
		SKIP(return, "needs the mock GPU");
	start_waiting(_metadata, self, 0, 100);
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[1], &disabled));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
		before = settled("hiq_run_list");
		self->q[1].priority = 3 + i;
		ASSERT_EQ(0, kfd_queue_update(&self->q[1]));
		EXPECT_EQ(before, settled("hiq_run_list"));
		/* Disabled, enabled and back, it is not counted twice either */
		self->q[0].percent = 0;
		ASSERT_EQ(0, kfd_queue_update(&self->q[0]));
		self->q[0].percent = 100;
		ASSERT_EQ(0, kfd_queue_update(&self->q[0]));
		EXPECT_EQ(before, settled("hiq_run_list"));
		ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
		EXPECT_LT(before, settled("hiq_run_list"));
	}
	finish_waiting(_metadata, self, 0);
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	ASSERT_EQ(0, kfd_queue_destroy(&self->q[0]));
	before = settled("hiq_run_list");
	ASSERT_EQ(0, kfd_queue_update(&self->q[1]));
	EXPECT_EQ(before, settled("hiq_run_list"));
}

/* Preempted queues take no slots: with the rest the device is not oversubscribed */
KFD_TEST(not_oversubscribed)
{
	struct kfd_queue_opts opts = { .ring_size = 4096, .cwsr = KFD_CWSR_VRAM };
	int i, n = self->kfd.gpu.queue_slots - 2;
	long long before;

	if (kfd_no_hws())
		SKIP(return, "no runlists without HWS");
	if (kfd_mock_stat("rotations") < 0)
		SKIP(return, "needs the mock GPU");
	ASSERT_GE(MAX_QUEUES, n + 8);
	for (i = 0; i < n; i++)
		ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[i], &opts));
	for (i = 0; i < 8; i++)
		ASSERT_EQ(0, kfd_queue_preempt(&self->q[i], SAVE, 0));
	before = settled("rotations");
	for (i = n; i < n + 8; i++)
		ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[i], &opts));
	usleep(100000);
	EXPECT_EQ(before, kfd_mock_stat("rotations"));
	for (i = 0; i < 8; i++)
		ASSERT_EQ(0, kfd_queue_resume(&self->q[i]));
	for (i = 0; i < 100 && kfd_mock_stat("rotations") == before; i++)
		usleep(100000);
	EXPECT_LT(before, kfd_mock_stat("rotations"));
}

/* More queues than slots, some of them preempted */
KFD_TEST(oversubscribed)
{
	struct kfd_queue_opts opts = { .ring_size = 4096, .cwsr = KFD_CWSR_VRAM };
	int i, c, n = self->kfd.gpu.queue_slots + 6;

	if (kfd_no_hws())
		SKIP(return, "without HWS a queue needs a slot");
	ASSERT_GE(MAX_QUEUES, n);
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[i], &opts));
		ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[i], GFX942_COUNT, 64,
					  LOOPS_MS(1)));
		kfd_job_submit_n(&self->job[i], &self->q[i], 5);
	}
	for (c = 0; c < 40; c++) {
		i = rand() % n;
		ASSERT_EQ(0, kfd_queue_preempt(&self->q[i], SAVE, 0));
		usleep(rand() % 1000);
		ASSERT_EQ(0, kfd_queue_resume(&self->q[i]));
	}
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, kfd_job_wait(&self->job[i], KFD_TIMEOUT_MS));
		EXPECT_EQ(0, kfd_job_wrong(&self->job[i], 5));
	}
}

/* A barrier packet that waits is no wave; it must be there again afterwards */
KFD_TEST(barrier_preempted)
{
	struct kfd_job *behind = &self->job[1];
	struct kfd_signal *deps[1];

	start_waiting(_metadata, self, 0, 64);
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[1], NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, behind, GFX942_COUNT, 64, 1));
	deps[0] = self->job[0].signal;
	kfd_queue_barrier(&self->q[1], AQL_BARRIER_AND, deps, 1, NULL);
	kfd_job_submit_n(behind, &self->q[1], 3);
	usleep(10000);
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[1], SAVE, 0));
	ASSERT_EQ(0, kfd_queue_resume(&self->q[1]));
	usleep(10000);
	EXPECT_EQ(0, kfd_job_sum(behind));
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[1], SAVE, 0));
	finish_waiting(_metadata, self, 0);
	usleep(10000);
	EXPECT_EQ(0, kfd_job_sum(behind));
	ASSERT_EQ(0, kfd_queue_resume(&self->q[1]));
	ASSERT_EQ(0, kfd_job_wait(behind, KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(behind, 3));
}

/* A save area that is not at hand as plain memory */
KFD_TEST(save_area_elsewhere)
{
	struct kfd_queue_opts opts = { 0 };
	int i, n;

	for (i = 0; i < 2; i++) {
		opts.cwsr = i ? KFD_CWSR_USERPTR : KFD_CWSR_VRAM;
		ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[i], &opts));
		start_waiting(_metadata, self, i, 300);
		for (n = 0; n < 5; n++) {
			ASSERT_EQ(0, kfd_queue_preempt(&self->q[i], SAVE, 0));
			ASSERT_EQ(0, kfd_queue_resume(&self->q[i]));
		}
		finish_waiting(_metadata, self, i);
	}
}

/*
 * While a queue is preempted its MQDs are scribbled over. All that a resume
 * needs, of every XCC, must be in the snapshot.
 */
KFD_TEST(scrubbed)
{
	struct kfd_job *behind = &self->job[2];
	struct kfd_queue *q = &self->q[0];
	__u32 mask[32];
	int i;

	if (kfd_mock_write("scrub", "1") == -ENOENT)
		SKIP(return, "needs the mock GPU");
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, q, NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, behind, GFX942_COUNT, 100, 1));
	kfd_job_submit_n(behind, q, 5);
	ASSERT_EQ(0, kfd_job_wait(behind, KFD_TIMEOUT_MS));
	memset(mask, 0xff, sizeof(mask));
	for (i = 0; i < 4; i++) {
		start_waiting(_metadata, self, 0, self->kfd.gpu.wave_slots / 2);
		kfd_job_submit_n(behind, q, 5);
		ASSERT_EQ(0, kfd_queue_preempt(q, SAVE, 0));
		if (i & 1) {
			q->priority = i;
			ASSERT_EQ(0, kfd_queue_update(q));
		}
		if (i & 2)
			ASSERT_EQ(0, kfd_queue_set_cu_mask(q, mask, 1024));
		ASSERT_EQ(0, kfd_mock_write("scrub", "1"));
		ASSERT_EQ(0, kfd_queue_resume(q));
		finish_waiting(_metadata, self, 0);
		ASSERT_EQ(0, kfd_job_wait(behind, KFD_TIMEOUT_MS));
		EXPECT_EQ(0, kfd_job_wrong(behind, 10 + 5 * i));
		kfd_job_free(&self->job[0]);
	}
}

/* What debugfs shows of this process's MQDs, or NULL */
static char *dump_mqds(void)
{
	static const char path[] = "/sys/kernel/debug/kfd/mqds";
	size_t size = 1 << 20, len;
	char name[32], *text, *start, *end;
	FILE *f = fopen(path, "r");

	if (!f)
		return NULL;
	text = malloc(size);
	len = text ? fread(text, 1, size - 1, f) : 0;
	fclose(f);
	if (!len)
		return NULL;
	text[len] = 0;
	snprintf(name, sizeof(name), "Process %d ", getpid());
	start = strstr(text, name);
	if (!start)
		return NULL;
	end = strstr(start + 1, "Process ");
	if (end)
		*end = 0;
	return start;
}

/* A resume makes the MQDs what an update of the queue makes them, of every XCC */
KFD_TEST(mqd_comes_back)
{
	struct kfd_queue *q = &self->q[0];
	char *before, *after;
	int i;

	if (!kfd_mock_present())
		SKIP(return, "firmware may note what it likes");
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, q, NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[0], GFX942_COUNT, 100, 1));
	kfd_job_submit_n(&self->job[0], q, 5);
	ASSERT_EQ(0, kfd_job_wait(&self->job[0], KFD_TIMEOUT_MS));
	for (i = 0; i < 3; i++) {
		q->priority = 5 * i;
		ASSERT_EQ(0, kfd_queue_update(q));
		usleep(20000);
		before = dump_mqds();
		if (!before)
			SKIP(return, "no MQDs in debugfs");
		ASSERT_EQ(0, kfd_queue_preempt(q, SAVE, 0));
		ASSERT_EQ(0, kfd_queue_resume(q));
		usleep(20000);
		after = dump_mqds();
		ASSERT_NE(NULL, after);
		EXPECT_EQ(0, strcmp(before, after));
	}
}

/* What a preemption and its resume cost, to compare numbers of XCCs */
static void print_cost(struct __test_metadata *_metadata, struct _test_data_kfd *self,
		       __u32 waves)
{
	long long reads = kfd_mock_stat("register_reads");
	long long writes = kfd_mock_stat("register_writes");
	__u32 xccs = self->kfd.gpu.xccs, n = 50, i;
	__u64 start, preempt = 0, resume = 0;

	for (i = 0; i < n; i++) {
		start = kfd_now_us();
		ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
		preempt += kfd_now_us() - start;
		usleep(2000 + 77 * i);	/* no phase of a timer's is special */
		start = kfd_now_us();
		ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
		resume += kfd_now_us() - start;
		usleep(2000);
	}
	printf("# cost: %u XCCs with %u waves each: preempt %llu us, resume %llu us\n", xccs,
	       waves, (unsigned long long)preempt / n, (unsigned long long)resume / n);
	if (reads < 0)
		return;
	reads = kfd_mock_stat("register_reads") - reads;
	writes = kfd_mock_stat("register_writes") - writes;
	printf("# cost: %u XCCs with %u waves each: %.1f reads, %.1f writes of registers an XCC\n",
	       xccs, waves, (double)reads / n / xccs, (double)writes / n / xccs);
}

KFD_TEST(cost)
{
	__u32 waves[] = { 8, self->kfd.gpu.wave_slots / self->kfd.gpu.xccs }, i;

	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], NULL));
	print_cost(_metadata, self, 0);
	for (i = 0; i < 2; i++) {
		start_waiting(_metadata, self, 0, waves[i] * self->kfd.gpu.xccs);
		print_cost(_metadata, self, waves[i]);
		finish_waiting(_metadata, self, 0);
		kfd_job_free(&self->job[0]);
	}
}

/* All XCCs save at the same time: eight take no longer than one */
KFD_TEST(xccs_at_once)
{
	__u64 start, took;

	if (!kfd_mock_present())
		SKIP(return, "needs the mock GPU");
	start_waiting(_metadata, self, 0, 300);
	ASSERT_EQ(0, kfd_set_module_param("mock_preempt_us", 20000));
	start = kfd_now_us();
	EXPECT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	took = kfd_now_us() - start;
	ASSERT_EQ(0, kfd_set_module_param("mock_preempt_us", 0));
	EXPECT_LE(20000, took);
	EXPECT_GT(80000, took);
	ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	finish_waiting(_metadata, self, 0);
}

#define SHORT_TIMEOUT_MS	200

/* Preempt while waiting is limited. Return: as the ioctl, and how long it took */
static int preempt_in_short(struct __test_metadata *_metadata, struct kfd_queue *q, __u32 type,
			    const char *fault, unsigned int value, unsigned int normal,
			    __u64 *took)
{
	long timeout = kfd_module_param("queue_preemption_timeout_ms", 9000);
	__u64 start;
	int r;

	EXPECT_EQ(0, kfd_set_module_param("queue_preemption_timeout_ms", SHORT_TIMEOUT_MS));
	if (fault)
		EXPECT_EQ(0, kfd_set_module_param(fault, value));
	start = kfd_now_us();
	r = kfd_queue_preempt(q, type, KFD_TIMEOUT_MS);
	*took = kfd_now_us() - start;
	if (fault)
		EXPECT_EQ(0, kfd_set_module_param(fault, normal));
	EXPECT_EQ(0, kfd_set_module_param("queue_preemption_timeout_ms", timeout));
	return r;
}

/* A queue that nothing bad has happened to */
static void check_queue(struct __test_metadata *_metadata, struct _test_data_kfd *self, int i)
{
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[i], SAVE, 0));
	EXPECT_EQ(KFD_IOC_GPREEMPT_QUEUE_PREEMPTED, queue_state(&self->q[i]));
	ASSERT_EQ(0, kfd_queue_resume(&self->q[i]));
	finish_waiting(_metadata, self, i);
	kfd_job_free(&self->job[i]);
}

KFD_TEST(preemption_ignored)
{
	static const __u32 type[] = { SAVE, DRAIN };
	__u64 took;
	int i;

	if (!kfd_mock_present() || !kfd_no_hws())
		SKIP(return, "needs the mock GPU without HWS");
	for (i = 0; i < 2; i++) {
		start_waiting(_metadata, self, 0, 300);
		start_waiting(_metadata, self, 1, 300);
		EXPECT_EQ(-ETIME, preempt_in_short(_metadata, &self->q[0], type[i],
						   "mock_ignore_preempt", ~0u, 0, &took));
		EXPECT_GT(2000 * SHORT_TIMEOUT_MS, took);
		EXPECT_EQ(KFD_IOC_GPREEMPT_QUEUE_ACTIVE, queue_state(&self->q[0]));
		EXPECT_EQ(0, kfd_queue_resume(&self->q[0]));
		check_queue(_metadata, self, 1);
		/* It never stopped, and can be asked again */
		check_queue(_metadata, self, 0);
	}
}

/* One XCC has a wave that takes long to save; the others are off at once */
KFD_TEST(preemption_slow)
{
	long normal = kfd_module_param("mock_save_ns_wave", 0);
	struct kfd_wave_state ws;
	__u64 took;

	if (!kfd_mock_present() || !kfd_no_hws())
		SKIP(return, "needs the mock GPU without HWS");
	start_waiting(_metadata, self, 0, 1);
	start_waiting(_metadata, self, 1, 300);

	/* Later than the first deadline, but not too late */
	EXPECT_EQ(0, preempt_in_short(_metadata, &self->q[0], SAVE, "mock_save_ns_wave",
				      600000 * SHORT_TIMEOUT_MS, normal, &took));
	EXPECT_LT(600 * SHORT_TIMEOUT_MS, took);
	EXPECT_EQ(KFD_IOC_GPREEMPT_QUEUE_PREEMPTED, queue_state(&self->q[0]));
	ASSERT_EQ(0, kfd_queue_wave_state(&self->q[0], &ws));
	EXPECT_LT(0, ws.total);
	ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));

	EXPECT_EQ(-ETIME, preempt_in_short(_metadata, &self->q[0], SAVE, "mock_save_ns_wave",
					   2000000 * SHORT_TIMEOUT_MS, normal, &took));
	EXPECT_GT(2000 * SHORT_TIMEOUT_MS, took);
	EXPECT_EQ(KFD_IOC_GPREEMPT_QUEUE_ACTIVE, queue_state(&self->q[0]));
	check_queue(_metadata, self, 1);
	usleep(2000 * SHORT_TIMEOUT_MS);

	/* By now it is off, and its waves are in memory: the next one finds them */
	EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
	check_queue(_metadata, self, 0);
}

/* However long a program wants to drain, others wait for the DQM lock */
KFD_TEST(drain_is_limited)
{
	__u64 took;

	if (!kfd_mock_present() || !kfd_no_hws())
		SKIP(return, "needs the mock GPU without HWS");
	start_waiting(_metadata, self, 0, 1);
	EXPECT_EQ(-ETIME, preempt_in_short(_metadata, &self->q[0], DRAIN, NULL, 0, 0, &took));
	EXPECT_GT(750 * SHORT_TIMEOUT_MS, took);
	EXPECT_EQ(KFD_IOC_GPREEMPT_QUEUE_ACTIVE, queue_state(&self->q[0]));
	/* It goes on, where it had drained and where not */
	finish_waiting(_metadata, self, 0);
	kfd_job_free(&self->job[0]);
	start_waiting(_metadata, self, 0, 300);
	check_queue(_metadata, self, 0);
}

/* The thread that KFD knows the process by is gone, and its memory seems to be */
struct headless {
	struct kfd kfd;
	struct kfd_queue q;
	struct kfd_job job;
};

static void *headless(void *arg)
{
	struct headless *h = arg;
	int i;

	usleep(50000);
	for (i = 0; i < 3; i++) {
		CHILD_CHECK(!kfd_queue_preempt(&h->q, SAVE, 0));
		CHILD_CHECK(!kfd_queue_resume(&h->q));
	}
	kfd_job_release(&h->job);
	CHILD_CHECK(!kfd_job_wait(&h->job, KFD_TIMEOUT_MS));
	CHILD_CHECK(!kfd_job_wrong(&h->job, 1));
	_exit(0);
}

static void lose_main_thread(struct shared *s)
{
	static struct headless h;
	pthread_t thread;

	(void)s;
	CHILD_CHECK(!kfd_open(&h.kfd));
	CHILD_CHECK(!kfd_queue_create(&h.kfd, &h.q, NULL));
	CHILD_CHECK(!kfd_job_init(&h.kfd, &h.job, GFX942_WAIT, 300, 1));
	kfd_job_submit(&h.job, &h.q);
	CHILD_CHECK(!wait_launched(&h.q, 1));
	CHILD_CHECK(!pthread_create(&thread, NULL, headless, &h));
	syscall(SYS_exit, 0);
}

KFD_TEST(main_thread_gone)
{
	pid_t pid = start_child(&self->kfd, lose_main_thread, NULL);

	ASSERT_LT(0, pid);
	EXPECT_TRUE(end_child(pid));
}

struct racer {
	struct kfd_queue *q;
	int *stop;
	int errors;
};

static void *race(void *arg)
{
	struct racer *r = arg;

	while (!__atomic_load_n(r->stop, __ATOMIC_ACQUIRE)) {
		if (kfd_queue_preempt(r->q, SAVE, 0) || kfd_queue_resume(r->q))
			r->errors++;
		usleep(rand() % 500);
	}
	return NULL;
}

/* Threads that preempt, and one that updates and moves memory */
KFD_TEST(threads)
{
	size_t size = 16 * 4096;
	struct racer racer[3];
	struct kfd_mem victim;
	pthread_t thread[3];
	int i, stop = 0;

	ASSERT_EQ(0, kfd_mem_userptr(&self->kfd, &victim, NULL, size));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[i], NULL));
		ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[i], GFX942_COUNT, 400,
					  LOOPS_MS(2)));
		kfd_job_submit_n(&self->job[i], &self->q[i], 50);
	}
	/* Two of them have the same queue */
	for (i = 0; i < 3; i++) {
		racer[i] = (struct racer){ .q = &self->q[i / 2], .stop = &stop };
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, race, &racer[i]));
	}
	for (i = 0; i < 60; i++) {
		self->q[i & 1].priority = i % 16;
		EXPECT_EQ(0, kfd_queue_update(&self->q[i & 1]));
		if (i % 4 == 0) {
			memset(victim.cpu, i, size);
			EXPECT_EQ(0, madvise(victim.cpu, size, MADV_DONTNEED));
		}
		usleep(2000);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	for (i = 0; i < 3; i++) {
		pthread_join(thread[i], NULL);
		EXPECT_EQ(0, racer[i].errors);
	}
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, kfd_queue_resume(&self->q[i]));
		ASSERT_EQ(0, kfd_job_wait(&self->job[i], KFD_TIMEOUT_MS));
		EXPECT_EQ(0, kfd_job_wrong(&self->job[i], 50));
	}
}

/* Queues that cannot be preempted, and devices that cannot do it */
FIXTURE(refused)
{
	struct kfd kfd;
	struct kfd_queue q;
	struct kfd_job job;
	long long violations;
};

FIXTURE_SETUP(refused)
{
	int r;

	self->violations = kfd_mock_violations();
	r = test_open(&self->kfd);
	if (r == -ENODEV)
		SKIP(return, "no gfx94x GPU");
	ASSERT_EQ(0, r);
	if (!kfd_has_gpreempt(&self->kfd))
		SKIP(return, "no CONFIG_HSA_AMD_GPREEMPT");
}

FIXTURE_TEARDOWN(refused)
{
	EXPECT_EQ(self->violations, kfd_mock_violations());
}

/* Refused, and nothing has happened: no counter, no packet to the firmware */
static void expect_refused(struct __test_metadata *_metadata, struct kfd_queue *q)
{
	struct kfd_ioctl_gpreempt_args before, after;
	long long packets, dequeues;

	ASSERT_EQ(0, kfd_gpreempt_query(q->kfd, q, &before));
	packets = settled("hiq_packets");
	dequeues = kfd_mock_stat("hqd_dequeues");
	EXPECT_EQ(-EOPNOTSUPP, kfd_queue_preempt(q, SAVE, 0));
	EXPECT_EQ(-EOPNOTSUPP, kfd_queue_preempt(q, DRAIN, 10));
	ASSERT_EQ(0, kfd_gpreempt_query(q->kfd, q, &after));
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	EXPECT_EQ(KFD_IOC_GPREEMPT_QUEUE_ACTIVE, after.queue_state);
	EXPECT_EQ(0, after.queue_preemptions);
	EXPECT_EQ(packets, settled("hiq_packets"));
	EXPECT_EQ(dequeues, kfd_mock_stat("hqd_dequeues"));
}

static void start_refused(struct __test_metadata *_metadata, struct _test_data_refused *self)
{
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q, NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job, GFX942_WAIT, 100, 1));
	kfd_job_submit(&self->job, &self->q);
	ASSERT_EQ(0, wait_launched(&self->q, 1));
}

static void finish_refused(struct __test_metadata *_metadata, struct _test_data_refused *self)
{
	kfd_job_release(&self->job);
	ASSERT_EQ(0, kfd_job_wait(&self->job, KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(&self->job, 1));
	EXPECT_EQ(0, kfd_queue_destroy(&self->q));
}

TEST_F_TIMEOUT(refused, gws, TEST_SECONDS)
{
	int r;

	if (!kfd_module_param("cwsr_enable", 1))
		SKIP(return, "the waves of a queue cannot be saved");
	start_refused(_metadata, self);
	r = kfd_queue_set_gws(&self->q, true);
	if (r == -ENODEV)
		SKIP(return, "no GWS");
	ASSERT_EQ(0, r);
	expect_refused(_metadata, &self->q);

	/* It can be when it has no GWS any more, and GWS may come while it is */
	ASSERT_EQ(0, kfd_queue_set_gws(&self->q, false));
	ASSERT_EQ(0, kfd_queue_preempt(&self->q, SAVE, 0));
	ASSERT_EQ(0, kfd_queue_set_gws(&self->q, true));
	EXPECT_EQ(KFD_IOC_GPREEMPT_QUEUE_PREEMPTED, queue_state(&self->q));
	ASSERT_EQ(0, kfd_queue_resume(&self->q));
	EXPECT_EQ(KFD_IOC_GPREEMPT_QUEUE_ACTIVE, queue_state(&self->q));
	EXPECT_EQ(-EOPNOTSUPP, kfd_queue_preempt(&self->q, SAVE, 0));
	finish_refused(_metadata, self);
}

TEST_F_TIMEOUT(refused, cwsr_disabled, TEST_SECONDS)
{
	__u64 value;

	if (kfd_module_param("cwsr_enable", 1))
		SKIP(return, "the waves of a queue can be saved");
	start_refused(_metadata, self);
	expect_refused(_metadata, &self->q);
	EXPECT_EQ(-EOPNOTSUPP, kfd_queue_resume(&self->q));
	EXPECT_EQ(-EOPNOTSUPP,
		  kfd_gpreempt_set(&self->kfd, KFD_IOC_GPREEMPT_PARAM_ENABLE, 1));
	ASSERT_EQ(0, kfd_gpreempt_get(&self->kfd, KFD_IOC_GPREEMPT_PARAM_ENABLE, &value));
	EXPECT_EQ(0, value);
	finish_refused(_metadata, self);
}

/* KFD may or may not let such a queue be */
TEST_F_TIMEOUT(refused, no_save_area, TEST_SECONDS)
{
	struct kfd_queue_opts opts = { .cwsr = KFD_CWSR_NONE };
	int r = kfd_queue_create(&self->kfd, &self->q, &opts);

	if (r) {
		EXPECT_EQ(-EINVAL, r);
		return;
	}
	expect_refused(_metadata, &self->q);
	EXPECT_EQ(-EOPNOTSUPP, kfd_queue_resume(&self->q));
	EXPECT_EQ(0, kfd_queue_destroy(&self->q));
}

TEST_F_TIMEOUT(refused, sdma, TEST_SECONDS)
{
	struct kfd_ioctl_create_queue_args args = {
		.ring_size = 65536,
		.gpu_id = self->kfd.gpu.id,
		.queue_type = KFD_IOC_QUEUE_TYPE_SDMA,
		.queue_percentage = 100,
		.queue_priority = 7,
	};
	struct kfd_queue q = { .kfd = &self->kfd };
	struct kfd_mem ring, ptrs;

	ASSERT_EQ(0, kfd_mem_alloc(&self->kfd, &ring, 65536, KFD_IOC_ALLOC_MEM_FLAGS_GTT));
	ASSERT_EQ(0, kfd_mem_alloc(&self->kfd, &ptrs, 4096, KFD_IOC_ALLOC_MEM_FLAGS_GTT));
	args.ring_base_address = (uintptr_t)ring.cpu;
	args.write_pointer_address = (uintptr_t)ptrs.cpu;
	args.read_pointer_address = (uintptr_t)ptrs.cpu + 64;
	if (kfd_ioctl(&self->kfd, AMDKFD_IOC_CREATE_QUEUE, &args))
		SKIP(return, "no SDMA queue");
	q.id = args.queue_id;
	/* Next to a compute queue, which is left alone too */
	start_refused(_metadata, self);
	expect_refused(_metadata, &q);
	EXPECT_EQ(-EOPNOTSUPP, kfd_queue_resume(&q));
	EXPECT_EQ(KFD_IOC_GPREEMPT_QUEUE_ACTIVE, queue_state(&self->q));
	finish_refused(_metadata, self);
	EXPECT_EQ(0, kfd_queue_destroy(&q));
}

TEST_HARNESS_MAIN
