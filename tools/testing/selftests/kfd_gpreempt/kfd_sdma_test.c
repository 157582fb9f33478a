// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of SDMA queues: what they do, and that nothing is lost or done twice
 * while compute queues next to them are preempted. GPREEMPT leaves them alone;
 * with HWS every runlist takes them off and puts them back. An addition to
 * memory shows that a packet was executed once.
 */
#include <stdio.h>

#include "kfd_gpreempt_test.h"

#define PAGE	4096u
#define MIB	(256 * PAGE)

FIXTURE_SETUP(kfd)
{
	int r;

	self->violations = kfd_mock_violations();
	r = test_open(&self->kfd);
	if (r == -ENODEV)
		SKIP(return, "no gfx94x GPU");
	ASSERT_EQ(0, r);
}

static int sdma_create(struct kfd *kfd, struct kfd_queue *q, __u32 ring_size)
{
	struct kfd_queue_opts opts = { .type = KFD_IOC_QUEUE_TYPE_SDMA, .ring_size = ring_size };

	return kfd_queue_create(kfd, q, &opts);
}

static int alloc(struct kfd *kfd, struct kfd_mem *mem, __u64 size)
{
	int r = kfd_mem_alloc(kfd, mem, size, KFD_IOC_ALLOC_MEM_FLAGS_GTT);

	if (!r)
		memset(mem->cpu, 0, size);
	return r;
}

static void pattern(void *mem, __u32 size, __u32 seed)
{
	__u32 *p = mem, i;

	for (i = 0; i < size / 4; i++)
		p[i] = (i + seed) * 2654435761u;
}

/* The doorbell was rung: until all was read */
static bool wait_idle(struct kfd_queue *q)
{
	__u64 end = kfd_now_us() + KFD_TIMEOUT_MS * 1000ull;

	kfd_sdma_doorbell(q);
	while ((__u64)kfd_queue_rptr(q) < q->wptr) {
		if (kfd_now_us() > end)
			return false;
		usleep(200);
	}
	return (__u64)kfd_queue_rptr(q) == q->wptr;
}

static bool wait_fence(__u32 *fence, __u32 value)
{
	__u64 end = kfd_now_us() + KFD_TIMEOUT_MS * 1000ull;

	while (__atomic_load_n(fence, __ATOMIC_ACQUIRE) != value) {
		if (kfd_now_us() > end)
			return false;
		usleep(200);
	}
	return true;
}

/* Each packet does what it says, in order */
KFD_TEST(packets)
{
	__u32 data[] = { 1, 22, 333, 4444, 55555 }, *fence, *word, i;
	struct kfd_queue *q = &self->q[0];
	struct kfd_mem mem, src, dst;
	struct kfd_event ev;
	__u64 *sum;

	ASSERT_EQ(0, sdma_create(&self->kfd, q, 0));
	ASSERT_EQ(0, alloc(&self->kfd, &mem, PAGE));
	ASSERT_EQ(0, alloc(&self->kfd, &src, MIB));
	ASSERT_EQ(0, alloc(&self->kfd, &dst, MIB));
	ASSERT_EQ(0, kfd_event_create(&self->kfd, &ev));
	pattern(src.cpu, MIB, 1);
	sum = mem.cpu;
	fence = mem.cpu + 64;
	word = mem.cpu + 128;
	*sum = 40;

	ASSERT_EQ(0, kfd_sdma_nop(q, 1));
	ASSERT_EQ(0, kfd_sdma_nop(q, 17));
	ASSERT_EQ(0, kfd_sdma_timestamp(q, &sum[1]));
	/* Not a multiple of anything */
	ASSERT_EQ(0, kfd_sdma_copy(q, dst.cpu + 5, src.cpu + 3, MIB / 2 + 1));
	ASSERT_EQ(0, kfd_sdma_fill(q, dst.cpu + 3 * MIB / 4, 0xabcd1234, PAGE + 8));
	ASSERT_EQ(0, kfd_sdma_write(q, word, data, 5));
	ASSERT_EQ(0, kfd_sdma_add(q, sum, 2));
	ASSERT_EQ(0, kfd_sdma_add(q, sum, -1ull));
	ASSERT_EQ(0, kfd_sdma_copy(q, &sum[2], sum, 8));
	ASSERT_EQ(0, kfd_sdma_timestamp(q, &sum[3]));
	ASSERT_EQ(0, kfd_sdma_fence(q, fence, 7));
	ASSERT_EQ(0, kfd_sdma_event(q, &ev));
	kfd_sdma_doorbell(q);
	ASSERT_EQ(0, kfd_event_wait(&self->kfd, &ev, KFD_TIMEOUT_MS));

	EXPECT_EQ(7, *fence);
	EXPECT_EQ(0, memcmp(src.cpu + 3, dst.cpu + 5, MIB / 2 + 1));
	EXPECT_EQ(0, *(char *)(dst.cpu + 4));
	EXPECT_EQ(0, *(char *)(dst.cpu + 5 + MIB / 2 + 1));
	for (i = 0; i < PAGE / 4 + 2; i++)
		ASSERT_EQ(0xabcd1234, ((__u32 *)(dst.cpu + 3 * MIB / 4))[i]);
	EXPECT_EQ(0, ((__u32 *)(dst.cpu + 3 * MIB / 4))[i]);
	EXPECT_EQ(0, memcmp(word, data, sizeof(data)));
	EXPECT_EQ(41, sum[0]);
	EXPECT_EQ(41, sum[2]);
	EXPECT_NE(0, sum[1]);
	EXPECT_GT(sum[3], sum[1]);
	EXPECT_TRUE(wait_idle(q));
	EXPECT_EQ(0, kfd_queue_destroy(q));
}

/* A window of rows and slices, the rest of which stays as it is */
KFD_TEST(window)
{
	enum { X = 20, Y = 10, Z = 6, SIZE = 4 * X * Y * Z };
	struct kfd_queue *q = &self->q[0];
	__u32 *src, *dst, x, y, z, want;
	struct kfd_mem mem;

	ASSERT_EQ(0, sdma_create(&self->kfd, q, 0));
	ASSERT_EQ(0, alloc(&self->kfd, &mem, 2 * SIZE));
	src = mem.cpu;
	dst = mem.cpu + SIZE;
	pattern(src, SIZE, 0);
	/* From 1, 2, 3 to 4, 3, 1; 7 by 5 by 2 dwords */
	const __u32 dw[13] = {
		1 | 4 << 8 | 2 << 29,
		(uintptr_t)src, (__u64)(uintptr_t)src >> 32,
		1 | 2 << 16, 3 | (X - 1) << 13, X * Y - 1,
		(uintptr_t)dst, (__u64)(uintptr_t)dst >> 32,
		4 | 3 << 16, 1 | (X - 1) << 13, X * Y - 1,
		6 | 4 << 16, 1,
	};

	ASSERT_EQ(0, kfd_sdma_put(q, dw, 13));
	ASSERT_TRUE(wait_idle(q));
	for (z = 0; z < Z; z++) {
		for (y = 0; y < Y; y++) {
			for (x = 0; x < X; x++) {
				want = 0;
				if (x - 4 < 7 && y - 3 < 5 && z - 1 < 2)
					want = src[x - 3 + X * (y - 1) + X * Y * (z + 2)];
				ASSERT_EQ(want, dst[x + X * y + X * Y * z]);
			}
		}
	}
}

/* Packets, and the data in them, go past the end of the ring */
KFD_TEST(ring_wraps)
{
	enum { N = 300, WORDS = 37 };
	struct kfd_queue *q = &self->q[0];
	__u32 data[WORDS], (*out)[WORDS];
	struct kfd_mem mem;
	unsigned int i, j;
	__u64 *sum;

	ASSERT_EQ(0, sdma_create(&self->kfd, q, PAGE));
	ASSERT_EQ(0, alloc(&self->kfd, &mem, PAGE + N * sizeof(data)));
	sum = mem.cpu;
	out = mem.cpu + PAGE;
	for (i = 0; i < N; i++) {
		for (j = 0; j < WORDS; j++)
			data[j] = i * WORDS + j + 1;
		ASSERT_EQ(0, kfd_sdma_write(q, out[i], data, WORDS));
		ASSERT_EQ(0, kfd_sdma_add(q, sum, i));
		if (i % 16 == 0)
			kfd_sdma_doorbell(q);
	}
	ASSERT_TRUE(wait_idle(q));
	EXPECT_GT(q->wptr, 10 * PAGE);
	EXPECT_EQ(N * (N - 1) / 2, *sum);
	for (i = 0; i < N; i++)
		for (j = 0; j < WORDS; j++)
			ASSERT_EQ(i * WORDS + j + 1, out[i][j]);
}

/* All that the engines have room for, and again when some have gone */
KFD_TEST(many_queues)
{
	struct kfd_mem mem[MAX_QUEUES];
	unsigned int i, round, n;
	__u64 *sum;

	for (n = 0; n < MAX_QUEUES; n++) {
		if (sdma_create(&self->kfd, &self->q[n], PAGE))
			break;
		ASSERT_EQ(0, alloc(&self->kfd, &mem[n], 5 * PAGE));
		pattern(mem[n].cpu + PAGE, 2 * PAGE, n);
	}
	ASSERT_LE(2, n);
	for (round = 1; round <= 3; round++) {
		for (i = 0; i < n; i++) {
			sum = mem[i].cpu;
			memset(mem[i].cpu + 3 * PAGE, 0, 2 * PAGE);
			ASSERT_EQ(0, kfd_sdma_copy(&self->q[i], mem[i].cpu + 3 * PAGE,
						   mem[i].cpu + PAGE, 2 * PAGE));
			ASSERT_EQ(0, kfd_sdma_add(&self->q[i], sum, 1));
			kfd_sdma_doorbell(&self->q[i]);
		}
		for (i = 0; i < n; i++) {
			ASSERT_TRUE(wait_idle(&self->q[i]));
			sum = mem[i].cpu;
			EXPECT_EQ(round, *sum);
			EXPECT_EQ(0, memcmp(mem[i].cpu + PAGE, mem[i].cpu + 3 * PAGE, 2 * PAGE));
		}
		/* New ones in the places of old ones begin at zero */
		for (i = round; i < n; i += 2) {
			sum = mem[i].cpu;
			ASSERT_EQ(0, kfd_queue_destroy(&self->q[i]));
			kfd_queue_free(&self->q[i]);
			ASSERT_EQ(0, sdma_create(&self->kfd, &self->q[i], PAGE));
		}
	}
}

/* A queue of each engine by its number, as long as there are such */
KFD_TEST(each_engine)
{
	struct kfd_queue_opts opts = { .type = KFD_IOC_QUEUE_TYPE_SDMA_BY_ENG_ID,
				       .ring_size = PAGE };
	struct kfd_mem mem;
	struct kfd_event ev;
	unsigned int i;
	__u32 *done;

	/* There the driver takes such a queue for a compute queue, without a slot */
	if (kfd_no_hws())
		SKIP(return, "engines cannot be chosen without HWS");
	ASSERT_EQ(0, alloc(&self->kfd, &mem, PAGE));
	ASSERT_EQ(0, kfd_event_create(&self->kfd, &ev));
	done = mem.cpu;
	for (i = 0; i < MAX_QUEUES; i++) {
		opts.engine = i;
		if (kfd_queue_create(&self->kfd, &self->q[i], &opts))
			break;
		ASSERT_EQ(0, kfd_sdma_fence(&self->q[i], &done[i], i + 1));
		/* An interrupt of each engine finds its process */
		ASSERT_EQ(0, kfd_sdma_event(&self->q[i], &ev));
		kfd_sdma_doorbell(&self->q[i]);
		ASSERT_EQ(0, kfd_event_wait(&self->kfd, &ev, KFD_TIMEOUT_MS));
		EXPECT_EQ(i + 1, done[i]);
	}
	if (!i)
		SKIP(return, "no SDMA engine can be chosen");
	EXPECT_LE(2, i);
}

/* Polling, fences and signals order what several queues do */
KFD_TEST(dependencies)
{
	struct kfd_job *work = &self->job[0];
	struct kfd_queue *a = &self->q[0], *b = &self->q[1], *aql = &self->q[2];
	struct kfd_signal *sig, *dep;
	struct kfd_mem mem, buf;
	__u32 *flag;

	ASSERT_EQ(0, sdma_create(&self->kfd, a, 0));
	ASSERT_EQ(0, sdma_create(&self->kfd, b, 0));
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, aql, NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, work, GFX942_COUNT, 64, 1));
	ASSERT_EQ(0, alloc(&self->kfd, &mem, PAGE));
	ASSERT_EQ(0, alloc(&self->kfd, &buf, 3 * MIB));
	pattern(buf.cpu, MIB, 3);
	flag = mem.cpu;
	sig = mem.cpu + 1024;
	sig->kind = 1;
	sig->value = 1;

	/* The dispatch waits for b, which waits for a, which waits for us */
	dep = sig;
	ASSERT_EQ(0, kfd_queue_barrier(aql, AQL_BARRIER_AND, &dep, 1, NULL));
	ASSERT_EQ(0, kfd_job_submit(work, aql));
	ASSERT_EQ(0, kfd_sdma_poll(b, &flag[1], 5));
	ASSERT_EQ(0, kfd_sdma_copy(b, buf.cpu + 2 * MIB, buf.cpu + MIB, MIB));
	ASSERT_EQ(0, kfd_sdma_add(b, (__u64 *)&sig->value, -1ull));
	kfd_sdma_doorbell(b);
	ASSERT_EQ(0, kfd_sdma_poll(a, &flag[0], 1));
	ASSERT_EQ(0, kfd_sdma_copy(a, buf.cpu + MIB, buf.cpu, MIB));
	ASSERT_EQ(0, kfd_sdma_fence(a, &flag[1], 5));
	kfd_sdma_doorbell(a);
	usleep(20000);
	EXPECT_EQ(0, kfd_queue_rptr(a));
	EXPECT_EQ(0, kfd_queue_rptr(b));
	EXPECT_EQ(1, sig->value);
	EXPECT_EQ(0, kfd_job_sum(work));
	__atomic_store_n(&flag[0], 1, __ATOMIC_RELEASE);
	ASSERT_EQ(0, kfd_job_wait(work, KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(work, 1));
	EXPECT_EQ(0, sig->value);
	EXPECT_EQ(0, memcmp(buf.cpu, buf.cpu + 2 * MIB, MIB));
}

/* Rounds of copies, each with a number and a check of what was copied */
struct copier {
	struct kfd_queue *q;
	struct kfd_mem mem;
	__u64 *sum;
	__u32 *fence;
	__u32 size;
	__u32 rounds;
};

static int copier_init(struct kfd *kfd, struct copier *c, struct kfd_queue *q, __u32 size)
{
	int r = sdma_create(kfd, q, PAGE);

	memset(c, 0, sizeof(*c));
	c->q = q;
	c->size = size;
	if (!r)
		r = alloc(kfd, &c->mem, PAGE + 2 * size);
	if (r)
		return r;
	c->sum = c->mem.cpu;
	c->fence = c->mem.cpu + 64;
	return 0;
}

static int copier_start(struct copier *c)
{
	void *src = c->mem.cpu + PAGE, *dst = src + c->size;
	int r;

	pattern(src, c->size, ++c->rounds);
	r = kfd_sdma_copy(c->q, dst, src, c->size);
	if (!r)
		r = kfd_sdma_add(c->q, c->sum, 1);
	if (!r)
		r = kfd_sdma_fence(c->q, c->fence, c->rounds);
	kfd_sdma_doorbell(c->q);
	return r;
}

/* Return: true when it was done, rightly and once */
static bool copier_finish(struct copier *c)
{
	void *src = c->mem.cpu + PAGE, *dst = src + c->size;

	return wait_fence(c->fence, c->rounds) && *c->sum == c->rounds &&
		!memcmp(src, dst, c->size) && wait_idle(c->q);
}

/* So slow that much happens during a copy, or as before */
static void set_slow(bool slow)
{
	kfd_set_module_param("mock_sdma_bytes_us", slow ? 50 : 10000);
}

static void copy_child(struct shared *s)
{
	struct kfd_queue q;
	struct copier c;
	struct kfd kfd;

	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(!copier_init(&kfd, &c, &q, MIB / 4));
	set_step(s, 1);
	while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE) || c.rounds < 10) {
		CHILD_CHECK(!copier_start(&c));
		CHILD_CHECK(copier_finish(&c));
	}
}

KFD_TEST(two_processes)
{
	struct shared *s = shared_page();
	struct copier c;
	pid_t pid;
	int i;

	ASSERT_NE(NULL, s);
	pid = start_child(&self->kfd, copy_child, s);
	ASSERT_LT(0, pid);
	ASSERT_TRUE(wait_step(s, 1));
	ASSERT_EQ(0, copier_init(&self->kfd, &c, &self->q[0], MIB / 4));
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, copier_start(&c));
		ASSERT_TRUE(copier_finish(&c));
	}
	__atomic_store_n(&s->stop, 1, __ATOMIC_RELEASE);
	EXPECT_TRUE(end_child(pid));
}

/* What a compute queue goes through does not concern copies */
KFD_TEST(compute_preempted)
{
	struct kfd_job *work = &self->job[0];
	struct kfd_queue *q = &self->q[0];
	struct copier c[3];
	int i, j;

	if (!kfd_has_gpreempt(&self->kfd) || !kfd_module_param("cwsr_enable", 1))
		SKIP(return, "no GPREEMPT, or no CWSR");
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, q, NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, work, GFX942_WAIT, 300, 1));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, copier_init(&self->kfd, &c[i], &self->q[1 + i], MIB));
	set_slow(true);
	kfd_job_submit(work, q);
	ASSERT_EQ(0, wait_launched(q, 1));
	for (j = 0; j < 8; j++) {
		for (i = 0; i < 3; i++)
			ASSERT_EQ(0, copier_start(&c[i]));
		usleep(500 * j);
		ASSERT_EQ(0, kfd_queue_preempt(q, KFD_IOC_PREEMPT_WAVEFRONT_SAVE, 0));
		/* All of it is done while that one is held, or some of it after */
		if (j % 2)
			ASSERT_EQ(0, kfd_queue_resume(q));
		for (i = 0; i < 3; i++)
			EXPECT_TRUE(copier_finish(&c[i]));
		EXPECT_EQ(-EOPNOTSUPP, kfd_queue_preempt(&self->q[1],
							 KFD_IOC_PREEMPT_WAVEFRONT_SAVE, 0));
		if (j % 2 == 0) {
			EXPECT_EQ(KFD_IOC_GPREEMPT_QUEUE_PREEMPTED, queue_state(q));
			ASSERT_EQ(0, kfd_queue_resume(q));
		}
	}
	set_slow(false);
	kfd_job_release(work);
	ASSERT_EQ(0, kfd_job_wait(work, KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(work, 1));
}

/*
 * A copy that takes longer than queues are left alone comes to its end, for
 * firmware goes on with it; without HWS it begins anew each time.
 */
KFD_TEST(long_copy)
{
	struct kfd_job *work = &self->job[0];
	struct kfd_queue *q = &self->q[0];
	struct copier c;
	int n = 0;

	if (kfd_no_hws() || !kfd_mock_present())
		SKIP(return, "needs HWS, and the mock GPU");
	if (!kfd_has_gpreempt(&self->kfd) || !kfd_module_param("cwsr_enable", 1))
		SKIP(return, "no GPREEMPT, or no CWSR");
	ASSERT_EQ(0, kfd_queue_create(&self->kfd, q, NULL));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, work, GFX942_WAIT, 300, 1));
	ASSERT_EQ(0, copier_init(&self->kfd, &c, &self->q[1], 8 * MIB));
	kfd_job_submit(work, q);
	ASSERT_EQ(0, wait_launched(q, 1));
	set_slow(true);
	ASSERT_EQ(0, copier_start(&c));
	while (__atomic_load_n(c.fence, __ATOMIC_ACQUIRE) != 1 && n++ < 2000) {
		ASSERT_EQ(0, kfd_queue_preempt(q, KFD_IOC_PREEMPT_WAVEFRONT_SAVE, 0));
		ASSERT_EQ(0, kfd_queue_resume(q));
	}
	set_slow(false);
	EXPECT_LT(5, n);
	EXPECT_GT(2000, n);
	EXPECT_TRUE(copier_finish(&c));
	kfd_job_release(work);
	ASSERT_EQ(0, kfd_job_wait(work, KFD_TIMEOUT_MS));
}

static int evict(bool on)
{
	char text[32];

	snprintf(text, sizeof(text), "%d %s", getpid(), on ? "on" : "off");
	return kfd_mock_write("evict", text);
}

/* Off the engines in the midst of copies, and back */
KFD_TEST(evict_restore)
{
	struct copier c[3];
	__u64 sum;
	int i, j;

	if (!kfd_mock_present())
		SKIP(return, "needs the mock GPU");
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, copier_init(&self->kfd, &c[i], &self->q[i], MIB / 2));
	for (j = 0; j < 12; j++) {
		set_slow(true);
		for (i = 0; i < 3; i++)
			ASSERT_EQ(0, copier_start(&c[i]));
		usleep(400 * j);
		ASSERT_EQ(0, evict(true));
		sum = *c[0].sum;
		usleep(5000);
		EXPECT_EQ(sum, *c[0].sum);
		/* What was rung meanwhile is seen later */
		if (j % 3 == 0) {
			ASSERT_EQ(0, kfd_sdma_add(c[1].q, &c[1].sum[1], 1));
			kfd_sdma_doorbell(c[1].q);
		}
		ASSERT_EQ(0, evict(false));
		if (j % 2)
			set_slow(false);
		for (i = 0; i < 3; i++)
			ASSERT_TRUE(copier_finish(&c[i]));
	}
	set_slow(false);
	EXPECT_EQ(4, c[1].sum[1]);
}

/* The same as memory is taken away under a copy: userptr */
KFD_TEST(userptr)
{
	struct kfd_queue *q = &self->q[0];
	struct kfd_mem mem, dst;
	__u32 *done;
	void *src;
	int i;

	src = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, src);
	pattern(src, MIB, 9);
	ASSERT_EQ(0, sdma_create(&self->kfd, q, 0));
	ASSERT_EQ(0, alloc(&self->kfd, &dst, MIB));
	ASSERT_EQ(0, alloc(&self->kfd, &mem, PAGE));
	ASSERT_EQ(0, kfd_mem_userptr(&self->kfd, &self->q[1].ring, src, MIB));
	done = mem.cpu;
	set_slow(true);
	for (i = 1; i <= 5; i++) {
		memset(dst.cpu, 0, MIB);
		ASSERT_EQ(0, kfd_sdma_copy(q, dst.cpu, src, MIB));
		ASSERT_EQ(0, kfd_sdma_fence(q, done, i));
		kfd_sdma_doorbell(q);
		usleep(1000);
		/* Other pages, the same content */
		ASSERT_EQ(0, mprotect(src, MIB, PROT_READ));
		ASSERT_EQ(0, mprotect(src, MIB, PROT_READ | PROT_WRITE));
		EXPECT_TRUE(wait_fence(done, i));
		EXPECT_EQ(0, memcmp(src, dst.cpu, MIB));
	}
	set_slow(false);
}

/* Percentage, priority and ring of a queue with work */
KFD_TEST(update)
{
	struct kfd_queue *q = &self->q[0];
	struct kfd_mem mem, ring;
	__u64 *sum, seen;
	int i;

	ASSERT_EQ(0, sdma_create(&self->kfd, q, 2 * PAGE));
	ASSERT_EQ(0, alloc(&self->kfd, &mem, PAGE));
	ASSERT_EQ(0, kfd_mem_alloc(&self->kfd, &ring, 4 * PAGE, KFD_IOC_ALLOC_MEM_FLAGS_GTT));
	sum = mem.cpu;
	for (i = 0; i < 6; i++) {
		ASSERT_EQ(0, kfd_sdma_add(q, sum, 1));
		kfd_sdma_doorbell(q);
		q->priority = i % 2 ? 15 : 0;
		ASSERT_EQ(0, kfd_queue_update(q));
	}
	ASSERT_TRUE(wait_idle(q));
	EXPECT_EQ(6, *sum);

	q->percent = 0;
	ASSERT_EQ(0, kfd_queue_update(q));
	ASSERT_EQ(0, kfd_sdma_add(q, sum, 1));
	kfd_sdma_doorbell(q);
	usleep(20000);
	seen = __atomic_load_n(sum, __ATOMIC_ACQUIRE);
	EXPECT_EQ(6, seen);
	q->percent = 100;
	ASSERT_EQ(0, kfd_queue_update(q));
	/* Without another doorbell */
	EXPECT_TRUE(wait_value(sum, 7));

	/* Pointers go on in a ring of another size */
	ASSERT_TRUE(wait_idle(q));
	ASSERT_EQ(0, kfd_queue_set_ring(q, &ring));
	for (i = 0; i < 1000; i++)
		ASSERT_EQ(0, kfd_sdma_add(q, sum, 1));
	ASSERT_TRUE(wait_idle(q));
	EXPECT_EQ(1007, *sum);
}

/* What was not done when its queue goes is never done */
KFD_TEST(destroy_running)
{
	struct kfd_queue *q = &self->q[0];
	__u64 *sum, seen, i, round;
	struct copier c;

	ASSERT_EQ(0, copier_init(&self->kfd, &c, &self->q[1], MIB / 4));
	for (round = 0; round < 4; round++) {
		struct kfd_mem mem;

		ASSERT_EQ(0, sdma_create(&self->kfd, q, PAGE));
		ASSERT_EQ(0, alloc(&self->kfd, &mem, 2 * MIB));
		sum = mem.cpu;
		set_slow(true);
		ASSERT_EQ(0, copier_start(&c));
		for (i = 0; i < 20; i++) {
			ASSERT_EQ(0, kfd_sdma_copy(q, mem.cpu + MIB, mem.cpu, MIB));
			ASSERT_EQ(0, kfd_sdma_add(q, sum, 1));
		}
		kfd_sdma_doorbell(q);
		usleep(2000 * round);
		ASSERT_EQ(0, kfd_queue_destroy(q));
		set_slow(false);
		seen = __atomic_load_n(sum, __ATOMIC_ACQUIRE);
		EXPECT_GT(20, seen);
		usleep(10000);
		EXPECT_EQ(seen, __atomic_load_n(sum, __ATOMIC_ACQUIRE));
		kfd_queue_free(q);
		ASSERT_EQ(0, kfd_mem_free(&self->kfd, &mem));
		EXPECT_TRUE(copier_finish(&c));
	}
}

/* The engine may be late to see that there is no more to do */
static __u64 where_it_stops(struct kfd_queue *q)
{
	__u64 rptr;

	do {
		rptr = kfd_queue_rptr(q);
		usleep(50000);
	} while (rptr != (__u64)kfd_queue_rptr(q));

	return rptr;
}

/* The write pointer is the program's: any value, and only its own queue suffers */
KFD_TEST(hostile_wptr)
{
	static const __u64 values[] = {
		~0ull - 1, ~0ull - 3, 1ull << 63, 1ull << 32, 3, 1, 0, 12345677, PAGE * 3,
	};
	struct kfd_queue *q = &self->q[0];
	struct kfd_mem mem;
	struct copier c;
	unsigned int i;
	__u64 rptr;

	ASSERT_EQ(0, copier_init(&self->kfd, &c, &self->q[1], MIB / 4));
	/* Zeros are packets that do nothing */
	ASSERT_EQ(0, sdma_create(&self->kfd, q, PAGE));
	ASSERT_EQ(0, alloc(&self->kfd, &mem, PAGE));
	for (i = 0; i < sizeof(values) / sizeof(*values); i++) {
		rptr = kfd_queue_rptr(q);
		__atomic_store_n(&q->desc->write_dispatch_id, values[i], __ATOMIC_RELEASE);
		__atomic_store_n(q->doorbell, values[i], __ATOMIC_RELEASE);
		ASSERT_EQ(0, copier_start(&c));
		EXPECT_TRUE(copier_finish(&c));
		usleep(5000);
		/* A runlist, or a load of the registers, with such a value */
		q->percent = 0;
		ASSERT_EQ(0, kfd_queue_update(q));
		EXPECT_LE(rptr, kfd_queue_rptr(q));
		EXPECT_GE(rptr + 2 * PAGE, kfd_queue_rptr(q));
		q->percent = 100;
		ASSERT_EQ(0, kfd_queue_update(q));
		usleep(5000);
		/* Back to what is true: it works */
		__atomic_store_n(&q->desc->write_dispatch_id, 0, __ATOMIC_RELEASE);
		q->wptr = where_it_stops(q);
		EXPECT_EQ(0, q->wptr % 4);
		ASSERT_EQ(0, kfd_sdma_add(q, mem.cpu, 1));
		EXPECT_TRUE(wait_idle(q));
		EXPECT_EQ(i + 1, *(__u64 *)mem.cpu);
		memset(q->ring.cpu, 0, PAGE);
	}
	EXPECT_EQ(0, kfd_queue_destroy(q));
}

static void endless_child(struct shared *s)
{
	struct kfd_queue q[4];
	struct kfd_mem mem;
	struct kfd kfd;
	int i;

	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(!alloc(&kfd, &mem, 2 * MIB));
	for (i = 0; i < 4; i++) {
		CHILD_CHECK(!sdma_create(&kfd, &q[i], PAGE));
		/* One waits for what never comes, the others have much to do */
		if (!i)
			CHILD_CHECK(!kfd_sdma_poll(&q[i], mem.cpu, 1));
		while (q[i].wptr + 28 <= PAGE)
			CHILD_CHECK(!kfd_sdma_copy(&q[i], mem.cpu + MIB, mem.cpu, MIB));
		kfd_sdma_doorbell(&q[i]);
	}
	set_step(s, 1);
	pause();
}

KFD_TEST(kill_running)
{
	struct shared *s = shared_page();
	struct copier c;
	pid_t pid;
	int i;

	ASSERT_NE(NULL, s);
	ASSERT_EQ(0, copier_init(&self->kfd, &c, &self->q[0], MIB / 4));
	for (i = 0; i < 3; i++) {
		set_step(s, 0);
		set_slow(true);
		pid = start_child(&self->kfd, endless_child, s);
		ASSERT_LT(0, pid);
		EXPECT_TRUE(wait_step(s, 1));
		ASSERT_EQ(0, copier_start(&c));
		usleep(2000 * i);
		EXPECT_TRUE(kill_child(pid));
		set_slow(false);
		EXPECT_TRUE(copier_finish(&c));
	}
}

static void after_reset(struct shared *s)
{
	s->stop = 1;
	copy_child(s);
}

/* What runs when the GPU is reset is lost; the next process has engines */
KFD_TEST(gpu_reset)
{
	struct shared *s = shared_page();
	struct copier c;
	__u64 sum;
	pid_t pid;

	if (!kfd_mock_present())
		SKIP(return, "needs the mock GPU");
	ASSERT_NE(NULL, s);
	ASSERT_EQ(0, copier_init(&self->kfd, &c, &self->q[0], 2 * MIB));
	set_slow(true);
	ASSERT_EQ(0, copier_start(&c));
	usleep(1000);
	ASSERT_EQ(0, kfd_mock_write("reset", "1"));
	set_slow(false);
	sum = *c.sum;
	usleep(20000);
	EXPECT_EQ(0, sum);
	EXPECT_EQ(0, *c.sum);
	pid = start_child(&self->kfd, after_reset, s);
	ASSERT_LT(0, pid);
	EXPECT_TRUE(end_child(pid));
	EXPECT_EQ(0, kfd_queue_destroy(&self->q[0]));
}

/* debugfs shows its MQD once, however many the compute queue before it has */
KFD_TEST(mqd_shown_once)
{
	static const char path[] = "/sys/kernel/debug/kfd/mqds";
	struct kfd_queue_opts opts = {};
	bool sdma = false;
	char line[256];
	int mqds = 0;
	FILE *f;

	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[0], &opts));
	ASSERT_EQ(0, sdma_create(&self->kfd, &self->q[1], 0));
	f = fopen(path, "r");
	if (!f)
		SKIP(return, "no %s", path);
	while (fgets(line, sizeof(line), f)) {
		if (strstr(line, " on device "))
			sdma = strstr(line, "SDMA queue");
		mqds += sdma && strstr(line, " 00000000:");
	}
	fclose(f);
	EXPECT_EQ(1, mqds);
}

TEST_HARNESS_MAIN
