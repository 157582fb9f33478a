// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * KUnit tests of the policy of GPREEMPT.
 */

#include <kunit/test.h>
#include <linux/limits.h>
#include <linux/time64.h>
#include "kfd_gpreempt_policy.h"

#define MS(x)	((x) * (__u64)NSEC_PER_MSEC)
#define US(x)	((x) * (__u64)NSEC_PER_USEC)

/* Any time; the defaults count from it */
#define NOW	MS(100000)

#define RUNS		(KFD_GPREEMPT_RUNS | KFD_GPREEMPT_DISPLACEABLE)
#define BUSY		(RUNS | KFD_GPREEMPT_PENDING)
#define HELD		(KFD_GPREEMPT_HELD | KFD_GPREEMPT_SAVED)

#define MAX_QUEUES	64

struct policy_test {
	struct kfd_gpreempt_params params;
	struct kfd_gpreempt_sample s[MAX_QUEUES];
	enum kfd_gpreempt_decision d[MAX_QUEUES];
	unsigned int n;
};

static int policy_test_init(struct kunit *test)
{
	struct policy_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	kfd_gpreempt_params_init(&t->params);
	test->priv = t;

	return 0;
}

static struct kfd_gpreempt_sample *add(struct policy_test *t, __u32 priority,
				       __u32 flags, __u32 waves)
{
	struct kfd_gpreempt_sample *s = &t->s[t->n++];

	s->id = t->n;
	s->priority = priority;
	s->flags = flags;
	s->waves = waves;
	s->since_ns = NOW;

	return s;
}

static unsigned int decide(struct policy_test *t, __u64 now)
{
	memset(t->d, 0xff, sizeof(t->d));

	return kfd_gpreempt_decide(&t->params, t->s, t->n, now, t->d);
}

static void inversion(struct kunit *test)
{
	struct policy_test *t = test->priv;

	/* Started all that was in its ring: only its waves give it away */
	add(t, 3, RUNS, 100);
	add(t, 12, BUSY, 0);

	KUNIT_EXPECT_EQ(test, decide(t, NOW), 1);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_PREEMPT);
	KUNIT_EXPECT_EQ(test, t->d[1], KFD_GPREEMPT_KEEP);

	/* So does the higher queue's last dispatch */
	t->s[1].flags = RUNS;
	t->s[1].waves = 1;
	KUNIT_EXPECT_EQ(test, decide(t, NOW), 1);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_PREEMPT);
}

/* Its dispatch has left the ring, but there was no room for a wave */
static void started(struct kunit *test)
{
	struct policy_test *t = test->priv;

	add(t, 3, RUNS, 100);
	add(t, 12, RUNS | KFD_GPREEMPT_STARTED, 0);
	KUNIT_EXPECT_TRUE(test, kfd_gpreempt_needs_waves(t->s, t->n));
	KUNIT_EXPECT_EQ(test, decide(t, NOW), 1);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_PREEMPT);

	/* With room it would have waves: no reason to keep others away */
	t->s[0].flags = HELD;
	decide(t, NOW);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_RESUME);

	/* It cannot have been for want of room that it has none */
	t->s[0].flags = RUNS;
	t->s[0].waves = 0;
	KUNIT_EXPECT_EQ(test, decide(t, NOW), 0);
}

/* Its packets wait for something else than room */
static void blocked(struct kunit *test)
{
	struct policy_test *t = test->priv;

	add(t, 3, RUNS, 100);
	add(t, 12, BUSY | KFD_GPREEMPT_BLOCKED, 0);
	KUNIT_EXPECT_EQ(test, decide(t, NOW), 0);
	KUNIT_EXPECT_FALSE(test, kfd_gpreempt_has_work(&t->s[1]));

	/* No reason to stay away either */
	t->s[0].flags = HELD;
	decide(t, NOW);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_RESUME);

	/* Nor does it occupy anything that a higher one could want */
	t->s[0] = t->s[1];
	t->s[0].priority = 3;
	t->s[1].flags = BUSY;
	KUNIT_EXPECT_EQ(test, decide(t, NOW), 0);

	/* Waves are work in any case */
	t->s[0].flags = RUNS;
	t->s[0].waves = 100;
	t->s[1].flags = BUSY | KFD_GPREEMPT_BLOCKED;
	t->s[1].waves = 1;
	KUNIT_EXPECT_EQ(test, decide(t, NOW), 1);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_PREEMPT);
}

static void no_inversion(struct kunit *test)
{
	struct policy_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, decide(t, NOW), 0);

	/* The higher queue is idle */
	add(t, 3, BUSY, 100);
	add(t, 12, RUNS, 0);
	KUNIT_EXPECT_EQ(test, decide(t, NOW), 0);

	/* Evicted or disabled, it could not run anyway */
	t->s[1].flags = KFD_GPREEMPT_PENDING;
	KUNIT_EXPECT_EQ(test, decide(t, NOW), 0);

	/* The lower queue is idle */
	t->s[0].flags = RUNS;
	t->s[0].waves = 0;
	t->s[1].flags = BUSY;
	KUNIT_EXPECT_EQ(test, decide(t, NOW), 0);

	/* The lower queue cannot be preempted */
	t->s[0].flags = KFD_GPREEMPT_RUNS | KFD_GPREEMPT_PENDING;
	KUNIT_EXPECT_EQ(test, decide(t, NOW), 0);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_KEEP);
}

static void equal_priorities(struct kunit *test)
{
	struct policy_test *t = test->priv;
	unsigned int i;

	for (i = 0; i < MAX_QUEUES; i++)
		add(t, 7, BUSY, 10);

	KUNIT_EXPECT_FALSE(test, kfd_gpreempt_needs_waves(t->s, t->n));
	KUNIT_EXPECT_EQ(test, decide(t, NOW), 0);
}

static void batch(struct kunit *test)
{
	struct policy_test *t = test->priv;
	unsigned int i;

	add(t, 15, BUSY, 0);
	for (i = 1; i < MAX_QUEUES; i++)
		add(t, i % 15, i % 2 ? BUSY : RUNS, 1);

	KUNIT_EXPECT_EQ(test, decide(t, NOW), MAX_QUEUES - 1);
	for (i = 1; i < MAX_QUEUES; i++)
		KUNIT_EXPECT_EQ(test, t->d[i], KFD_GPREEMPT_PREEMPT);
}

static void levels(struct kunit *test)
{
	struct policy_test *t = test->priv;
	unsigned int i, top;

	for (i = 0; i < KFD_GPREEMPT_LEVELS; i++)
		add(t, i, RUNS, 0);

	for (top = 0; top < KFD_GPREEMPT_LEVELS; top++) {
		/* Work at all levels up to this one */
		t->s[top].flags = BUSY;
		KUNIT_EXPECT_EQ(test, decide(t, NOW), top);
		for (i = 0; i < KFD_GPREEMPT_LEVELS; i++)
			KUNIT_EXPECT_EQ(test, t->d[i], i < top ?
					KFD_GPREEMPT_PREEMPT :
					KFD_GPREEMPT_KEEP);
	}
}

static void holdoff(struct kunit *test)
{
	struct policy_test *t = test->priv;

	t->params.val[KFD_GPREEMPT_HOLDOFF_US] = 10000;
	add(t, 3, HELD, 0);
	add(t, 12, RUNS, 0)->work_ns = NOW;

	decide(t, NOW + US(9999));
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_KEEP);
	decide(t, NOW + US(10000));
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_RESUME);

	/* Work again: from the start */
	t->s[1].flags = BUSY;
	t->s[1].work_ns = NOW + US(20000);
	decide(t, NOW + US(20000));
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_KEEP);

	/* The higher queue is gone */
	t->n = 1;
	decide(t, NOW + US(20000));
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_RESUME);

	/* No hold-off wanted */
	t->n = 2;
	t->s[1].flags = RUNS;
	t->params.val[KFD_GPREEMPT_HOLDOFF_US] = 0;
	decide(t, NOW + US(20000));
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_RESUME);
}

/* Only the uppermost of those that wait comes back while it has work */
static void resume_order(struct kunit *test)
{
	struct policy_test *t = test->priv;

	add(t, 3, HELD, 0);
	add(t, 7, HELD, 0);
	add(t, 7, HELD, 0);
	add(t, 12, RUNS, 0);

	decide(t, NOW);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_KEEP);
	KUNIT_EXPECT_EQ(test, t->d[1], KFD_GPREEMPT_RESUME);
	KUNIT_EXPECT_EQ(test, t->d[2], KFD_GPREEMPT_RESUME);

	t->s[1].flags = KFD_GPREEMPT_HELD;
	t->s[2].flags = KFD_GPREEMPT_HELD;
	decide(t, NOW);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_RESUME);
}

static void starvation(struct kunit *test)
{
	struct policy_test *t = test->priv;
	__u64 limit = MS(t->params.val[KFD_GPREEMPT_STARVATION_MS]);
	__u64 interval = US(t->params.val[KFD_GPREEMPT_INTERVAL_US]);

	add(t, 3, HELD, 0);
	add(t, 12, BUSY, 10);

	decide(t, NOW);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_KEEP);
	decide(t, NOW + limit - interval);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_KEEP);
	/* The next look would be after the limit */
	decide(t, NOW + limit - interval + 1);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_RESUME_SLICE);
	decide(t, NOW + 2 * limit);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_RESUME_SLICE);
}

static void slice(struct kunit *test)
{
	struct policy_test *t = test->priv;
	__u64 length = US(t->params.val[KFD_GPREEMPT_SLICE_US]);

	/* All of the device, whatever the higher one would take of it */
	add(t, 3, BUSY | KFD_GPREEMPT_SLICE, 10);
	add(t, 12, BUSY, 10);
	KUNIT_EXPECT_EQ(test, decide(t, NOW), 1);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_KEEP);
	KUNIT_EXPECT_EQ(test, t->d[1], KFD_GPREEMPT_PREEMPT);

	/* Until it ends, used or not */
	t->s[0].flags &= ~KFD_GPREEMPT_PENDING;
	t->s[0].waves = 0;
	t->s[1].flags = HELD;
	KUNIT_EXPECT_TRUE(test, kfd_gpreempt_needs_waves(t->s, t->n));
	KUNIT_EXPECT_TRUE(test, kfd_gpreempt_in_slice(&t->params, &t->s[0],
						      NOW + length - 1));
	KUNIT_EXPECT_EQ(test, decide(t, NOW + length - 1), 0);
	KUNIT_EXPECT_EQ(test, t->d[1], KFD_GPREEMPT_KEEP);
	t->s[0].waves = 10;
	KUNIT_EXPECT_FALSE(test, kfd_gpreempt_in_slice(&t->params, &t->s[0],
						       NOW + length));
	KUNIT_EXPECT_EQ(test, decide(t, NOW + length), 1);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_PREEMPT);
	KUNIT_EXPECT_EQ(test, t->d[1], KFD_GPREEMPT_RESUME);

	/* Or does not run any more */
	t->s[0].flags = KFD_GPREEMPT_SLICE;
	decide(t, NOW);
	KUNIT_EXPECT_EQ(test, t->d[1], KFD_GPREEMPT_RESUME);

	/* Resumed for another reason, it has no right to a slice */
	t->s[0].flags = BUSY;
	t->s[1].flags = BUSY;
	KUNIT_EXPECT_EQ(test, decide(t, NOW), 1);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_PREEMPT);
}

/* One level after the other, and all of a level at once */
static void slice_turns(struct kunit *test)
{
	struct policy_test *t = test->priv;
	__u64 now = NOW + 2 * MS(t->params.val[KFD_GPREEMPT_STARVATION_MS]);

	add(t, 3, HELD, 0)->since_ns = NOW;
	add(t, 3, HELD, 0)->since_ns = now;
	add(t, 5, HELD, 0)->since_ns = NOW + 1;
	add(t, 12, BUSY, 10)->since_ns = now;
	KUNIT_EXPECT_EQ(test, decide(t, now), 1);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_RESUME_SLICE);
	KUNIT_EXPECT_EQ(test, t->d[1], KFD_GPREEMPT_RESUME_SLICE);
	KUNIT_EXPECT_EQ(test, t->d[2], KFD_GPREEMPT_KEEP);
	KUNIT_EXPECT_EQ(test, t->d[3], KFD_GPREEMPT_PREEMPT);

	/* Nobody joins later */
	t->s[0].flags = BUSY | KFD_GPREEMPT_SLICE;
	t->s[0].since_ns = now;
	t->s[1].since_ns = NOW;
	t->s[3].flags = HELD;
	KUNIT_EXPECT_EQ(test, decide(t, now), 0);
	KUNIT_EXPECT_EQ(test, t->d[1], KFD_GPREEMPT_KEEP);
	KUNIT_EXPECT_EQ(test, t->d[2], KFD_GPREEMPT_KEEP);
	KUNIT_EXPECT_EQ(test, t->d[3], KFD_GPREEMPT_KEEP);

	/* The next level follows at once */
	t->s[1].since_ns = now;
	now += US(t->params.val[KFD_GPREEMPT_SLICE_US]);
	KUNIT_EXPECT_EQ(test, decide(t, now), 1);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_PREEMPT);
	KUNIT_EXPECT_EQ(test, t->d[1], KFD_GPREEMPT_KEEP);
	KUNIT_EXPECT_EQ(test, t->d[2], KFD_GPREEMPT_RESUME_SLICE);
	KUNIT_EXPECT_EQ(test, t->d[3], KFD_GPREEMPT_KEEP);
}

/* What an ioctl preempted is neither running nor held by the monitor */
static void holder(struct kunit *test)
{
	struct policy_test *t = test->priv;

	add(t, 3, KFD_GPREEMPT_SAVED | KFD_GPREEMPT_PENDING, 0);
	add(t, 12, RUNS, 0);

	KUNIT_EXPECT_EQ(test, decide(t, NOW + MS(3600000)), 0);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_KEEP);

	/* Nor does it stand in anybody's way */
	t->s[0].priority = 15;
	t->s[1].flags = BUSY;
	KUNIT_EXPECT_EQ(test, decide(t, NOW), 0);
	KUNIT_EXPECT_EQ(test, t->d[1], KFD_GPREEMPT_KEEP);

	t->s[1].flags = HELD;
	decide(t, NOW);
	KUNIT_EXPECT_EQ(test, t->d[1], KFD_GPREEMPT_RESUME);
}

static void waves(struct kunit *test)
{
	struct policy_test *t = test->priv;

	KUNIT_EXPECT_FALSE(test, kfd_gpreempt_needs_waves(t->s, 0));

	add(t, 3, BUSY, 0);
	add(t, 12, RUNS, 0);
	KUNIT_EXPECT_TRUE(test, kfd_gpreempt_needs_waves(t->s, t->n));

	/* An idle high queue costs nothing */
	t->s[1].flags = RUNS | KFD_GPREEMPT_QUIET;
	KUNIT_EXPECT_FALSE(test, kfd_gpreempt_needs_waves(t->s, t->n));

	/* A low queue that says it is idle is not believed */
	t->s[0].flags = RUNS | KFD_GPREEMPT_QUIET;
	t->s[1].flags = BUSY;
	KUNIT_EXPECT_TRUE(test, kfd_gpreempt_needs_waves(t->s, t->n));

	/* Pending work above keeps it held, waves or not */
	t->s[0].flags = HELD;
	KUNIT_EXPECT_FALSE(test, kfd_gpreempt_needs_waves(t->s, t->n));
	t->s[1].flags = RUNS;
	KUNIT_EXPECT_TRUE(test, kfd_gpreempt_needs_waves(t->s, t->n));
	t->s[1].flags = RUNS | KFD_GPREEMPT_QUIET;
	KUNIT_EXPECT_FALSE(test, kfd_gpreempt_needs_waves(t->s, t->n));

	/* Unless that gets nowhere */
	t->s[1].flags = BUSY | KFD_GPREEMPT_STALLED;
	KUNIT_EXPECT_TRUE(test, kfd_gpreempt_needs_waves(t->s, t->n));
	t->s[1].flags = BUSY | KFD_GPREEMPT_BLOCKED;
	KUNIT_EXPECT_TRUE(test, kfd_gpreempt_needs_waves(t->s, t->n));
	t->s[1].flags = BUSY | KFD_GPREEMPT_BLOCKED | KFD_GPREEMPT_QUIET;
	KUNIT_EXPECT_FALSE(test, kfd_gpreempt_needs_waves(t->s, t->n));
}

static void pending(struct kunit *test)
{
	/* AQL: packets of 64 bytes, counted for ever */
	KUNIT_EXPECT_FALSE(test, kfd_gpreempt_pending(0, 0, 4096, true));
	KUNIT_EXPECT_TRUE(test, kfd_gpreempt_pending(0, 1, 4096, true));
	KUNIT_EXPECT_TRUE(test, kfd_gpreempt_pending(1000, 1064, 4096, true));
	KUNIT_EXPECT_FALSE(test, kfd_gpreempt_pending(1000, 1065, 4096, true));
	KUNIT_EXPECT_TRUE(test, kfd_gpreempt_pending(U64_MAX, 3, 4096, true));

	/* PM4: dwords in the ring */
	KUNIT_EXPECT_FALSE(test, kfd_gpreempt_pending(5, 5, 4096, false));
	KUNIT_EXPECT_TRUE(test, kfd_gpreempt_pending(5, 4, 4096, false));
	KUNIT_EXPECT_TRUE(test, kfd_gpreempt_pending(1023, 1024, 4096, false));
	KUNIT_EXPECT_FALSE(test, kfd_gpreempt_pending(5, 1029, 4096, false));
}

static void hostile(struct kunit *test)
{
	struct policy_test *t = test->priv;

	/* Swapped, huge, and no ring at all */
	KUNIT_EXPECT_FALSE(test, kfd_gpreempt_pending(1, 0, 4096, true));
	KUNIT_EXPECT_FALSE(test, kfd_gpreempt_pending(0, U64_MAX, 4096, true));
	KUNIT_EXPECT_FALSE(test, kfd_gpreempt_pending(1ULL << 63, 0, 4096,
						      true));
	KUNIT_EXPECT_FALSE(test, kfd_gpreempt_pending(0, 1, 0, true));
	KUNIT_EXPECT_FALSE(test, kfd_gpreempt_pending(0, 1, 0, false));

	/* A priority that does not exist is the highest, not an overrun */
	add(t, U32_MAX, BUSY, U32_MAX);
	add(t, 15, BUSY, U32_MAX);
	add(t, 0, BUSY, U32_MAX);
	KUNIT_EXPECT_EQ(test, decide(t, NOW), 1);
	KUNIT_EXPECT_EQ(test, t->d[2], KFD_GPREEMPT_PREEMPT);
	KUNIT_EXPECT_TRUE(test, kfd_gpreempt_needs_waves(t->s, t->n));
}

static void params(struct kunit *test)
{
	struct policy_test *t = test->priv;
	unsigned int i;

	for (i = 0; i < KFD_GPREEMPT_NUM_PARAMS; i++) {
		KUNIT_EXPECT_TRUE(test,
				  kfd_gpreempt_param_valid(i, t->params.val[i]));
		KUNIT_EXPECT_FALSE(test, kfd_gpreempt_param_valid(i, U64_MAX));
	}
	KUNIT_EXPECT_FALSE(test, kfd_gpreempt_param_valid(i, 1000));
	KUNIT_EXPECT_FALSE(test, kfd_gpreempt_param_valid(-1, 1000));
	KUNIT_EXPECT_FALSE(test,
			   kfd_gpreempt_param_valid(KFD_GPREEMPT_INTERVAL_US, 99));
	KUNIT_EXPECT_TRUE(test,
			  kfd_gpreempt_param_valid(KFD_GPREEMPT_INTERVAL_US, 100));
}

static struct kunit_case policy_cases[] = {
	KUNIT_CASE(inversion),
	KUNIT_CASE(started),
	KUNIT_CASE(blocked),
	KUNIT_CASE(no_inversion),
	KUNIT_CASE(equal_priorities),
	KUNIT_CASE(batch),
	KUNIT_CASE(levels),
	KUNIT_CASE(holdoff),
	KUNIT_CASE(resume_order),
	KUNIT_CASE(starvation),
	KUNIT_CASE(slice),
	KUNIT_CASE(slice_turns),
	KUNIT_CASE(holder),
	KUNIT_CASE(waves),
	KUNIT_CASE(pending),
	KUNIT_CASE(hostile),
	KUNIT_CASE(params),
	{}
};

static struct kunit_suite policy_suite = {
	.name = "kfd_gpreempt_policy",
	.init = policy_test_init,
	.test_cases = policy_cases,
};

kunit_test_suite(policy_suite);
