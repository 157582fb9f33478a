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
	/* One that runs was never preempted */
	if (flags & KFD_GPREEMPT_HELD)
		s->since_ns = NOW;

	return s;
}

static void hold(struct kfd_gpreempt_sample *s)
{
	s->flags = HELD;
	s->since_ns = NOW;
}

static unsigned int decide(struct policy_test *t, __u64 now)
{
	memset(t->d, 0xff, sizeof(t->d));

	return kfd_gpreempt_decide(&t->params, t->s, t->n, now, t->d);
}

static bool needs_waves(struct policy_test *t)
{
	return kfd_gpreempt_needs_waves(&t->params, t->s, t->n, NOW);
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
	KUNIT_EXPECT_TRUE(test, needs_waves(t));
	KUNIT_EXPECT_EQ(test, decide(t, NOW), 1);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_PREEMPT);

	/* With room it would have waves: no reason to keep others away */
	hold(&t->s[0]);
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
	hold(&t->s[0]);
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

	KUNIT_EXPECT_FALSE(test, needs_waves(t));
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

	/* It had work when it was resumed, which may not be seen yet */
	t->n = 2;
	t->s[1].flags = RUNS;
	t->s[1].since_ns = NOW + US(25000);
	decide(t, NOW + US(34999));
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_KEEP);
	decide(t, NOW + US(35000));
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_RESUME);
	t->s[1].since_ns = 0;

	/* No hold-off wanted */
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

	/* Also where it would come back anyway, lest its turn is yet to come */
	t->s[1].flags = RUNS;
	t->s[1].waves = 0;
	decide(t, NOW + 2 * limit);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_RESUME_SLICE);

	/* Nobody makes room for what would not run */
	t->s[0].flags = KFD_GPREEMPT_HELD;
	t->s[1].flags = BUSY;
	KUNIT_EXPECT_EQ(test, decide(t, NOW + 2 * limit), 0);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_KEEP);
}

static void slice(struct kunit *test)
{
	struct policy_test *t = test->priv;
	__u64 length = US(t->params.val[KFD_GPREEMPT_SLICE_US]);

	/* All of the device, whatever the higher one would take of it */
	add(t, 3, BUSY | KFD_GPREEMPT_SLICE, 10)->since_ns = NOW;
	add(t, 12, BUSY, 10);
	KUNIT_EXPECT_EQ(test, decide(t, NOW), 1);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_KEEP);
	KUNIT_EXPECT_EQ(test, t->d[1], KFD_GPREEMPT_PREEMPT);

	/* Until it ends, used or not */
	t->s[0].flags &= ~KFD_GPREEMPT_PENDING;
	t->s[0].waves = 0;
	hold(&t->s[1]);
	KUNIT_EXPECT_TRUE(test, needs_waves(t));
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

	hold(&t->s[1]);
	decide(t, NOW);
	KUNIT_EXPECT_EQ(test, t->d[1], KFD_GPREEMPT_RESUME);
}

static void waves(struct kunit *test)
{
	struct policy_test *t = test->priv;

	KUNIT_EXPECT_FALSE(test, needs_waves(t));

	add(t, 3, BUSY, 0);
	add(t, 12, RUNS, 0);
	KUNIT_EXPECT_TRUE(test, needs_waves(t));

	/* An idle high queue costs nothing */
	t->s[1].flags = RUNS | KFD_GPREEMPT_QUIET;
	KUNIT_EXPECT_FALSE(test, needs_waves(t));

	/* A low queue that says it is idle is not believed */
	t->s[0].flags = RUNS | KFD_GPREEMPT_QUIET;
	t->s[1].flags = BUSY;
	KUNIT_EXPECT_TRUE(test, needs_waves(t));

	/* Pending work above keeps it held, waves or not */
	t->s[0].flags = HELD;
	KUNIT_EXPECT_FALSE(test, needs_waves(t));
	t->s[1].flags = RUNS;
	KUNIT_EXPECT_TRUE(test, needs_waves(t));
	t->s[1].flags = RUNS | KFD_GPREEMPT_QUIET;
	KUNIT_EXPECT_FALSE(test, needs_waves(t));

	/* Unless that gets nowhere */
	t->s[1].flags = BUSY | KFD_GPREEMPT_STALLED;
	KUNIT_EXPECT_TRUE(test, needs_waves(t));
	t->s[1].flags = BUSY | KFD_GPREEMPT_BLOCKED;
	KUNIT_EXPECT_TRUE(test, needs_waves(t));
	t->s[1].flags = BUSY | KFD_GPREEMPT_BLOCKED | KFD_GPREEMPT_QUIET;
	KUNIT_EXPECT_FALSE(test, needs_waves(t));

	/* A slice is in the way, used or not */
	t->s[0].flags = RUNS;
	t->s[1].flags = RUNS | KFD_GPREEMPT_QUIET | KFD_GPREEMPT_SLICE;
	t->s[1].since_ns = NOW;
	KUNIT_EXPECT_TRUE(test, needs_waves(t));
	t->s[1].since_ns = 0;
	KUNIT_EXPECT_FALSE(test, needs_waves(t));

	/* Aged, it would displace what does not show */
	t->params.val[KFD_GPREEMPT_POLICY] = KFD_GPREEMPT_POLICY_AGED;
	t->s[0].flags = HELD;
	t->s[0].since_ns = NOW - MS(1000);
	t->s[1].flags = RUNS | KFD_GPREEMPT_QUIET;
	add(t, 5, RUNS | KFD_GPREEMPT_QUIET, 0);
	KUNIT_EXPECT_TRUE(test, needs_waves(t));
	t->s[0].since_ns = NOW;
	KUNIT_EXPECT_FALSE(test, needs_waves(t));

	/* Who makes room? */
	t->params.val[KFD_GPREEMPT_TURN_US] = 1000;
	t->params.capacity = 2;
	KUNIT_EXPECT_FALSE(test, needs_waves(t));
	t->s[0].flags = RUNS;
	KUNIT_EXPECT_TRUE(test, needs_waves(t));
	t->params.capacity = 3;
	KUNIT_EXPECT_FALSE(test, needs_waves(t));
}

/* On a par with those that keep it off, and not above, for a slice */
static void aging(struct kunit *test)
{
	struct policy_test *t = test->priv;
	__u64 step = MS(t->params.val[KFD_GPREEMPT_AGING_MS]);
	__u64 length = US(t->params.val[KFD_GPREEMPT_SLICE_US]);
	__u64 now;

	t->params.val[KFD_GPREEMPT_STARVATION_MS] = 3600000;
	add(t, 3, HELD, 0);
	add(t, 7, BUSY, 10);
	add(t, 5, HELD, 0)->since_ns = NOW + 3 * step;

	/* Not with strict levels */
	decide(t, NOW + 4 * step);
	KUNIT_EXPECT_EQ(test, t->s[0].level, 3);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_KEEP);

	t->params.val[KFD_GPREEMPT_POLICY] = KFD_GPREEMPT_POLICY_AGED;
	decide(t, NOW + 4 * step - 1);
	KUNIT_EXPECT_EQ(test, t->s[0].level, 6);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_KEEP);
	KUNIT_EXPECT_EQ(test, decide(t, NOW + 4 * step), 0);
	KUNIT_EXPECT_EQ(test, t->s[0].level, 7);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_RESUME);
	KUNIT_EXPECT_EQ(test, t->d[1], KFD_GPREEMPT_KEEP);
	KUNIT_EXPECT_EQ(test, t->s[2].level, 6);
	KUNIT_EXPECT_EQ(test, t->d[2], KFD_GPREEMPT_KEEP);

	/* Whatever it has waited */
	KUNIT_EXPECT_EQ(test, decide(t, NOW + 20 * step), 0);
	KUNIT_EXPECT_EQ(test, t->s[0].level, 7);
	KUNIT_EXPECT_EQ(test, t->s[1].level, 7);

	/* It keeps that for a slice, */
	now = NOW + 4 * step;
	t->s[0].flags = BUSY;
	t->s[0].since_ns = now;
	t->s[0].aged = 7;
	KUNIT_EXPECT_EQ(test, decide(t, now + length - 1), 0);
	/* unless something above that comes, */
	t->s[1].priority = 8;
	KUNIT_EXPECT_EQ(test, decide(t, now + length - 1), 1);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_PREEMPT);
	/* and then is what it was */
	t->s[1].priority = 7;
	KUNIT_EXPECT_EQ(test, decide(t, now + length), 1);
	KUNIT_EXPECT_EQ(test, t->s[0].level, 3);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_PREEMPT);

	/* A slice does not know about it */
	add(t, 4, BUSY | KFD_GPREEMPT_SLICE, 1)->since_ns = now;
	KUNIT_EXPECT_EQ(test, decide(t, now + length - 1), 2);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_PREEMPT);
	KUNIT_EXPECT_EQ(test, t->d[1], KFD_GPREEMPT_PREEMPT);
	KUNIT_EXPECT_EQ(test, t->d[3], KFD_GPREEMPT_KEEP);
}

/* What keeps it off may be the hold-off alone */
static void aging_holdoff(struct kunit *test)
{
	struct policy_test *t = test->priv;

	t->params.val[KFD_GPREEMPT_POLICY] = KFD_GPREEMPT_POLICY_AGED;
	t->params.val[KFD_GPREEMPT_HOLDOFF_US] = 10000000;
	add(t, 3, HELD, 0);
	add(t, 4, RUNS, 0)->work_ns = NOW;

	decide(t, NOW + MS(99));
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_KEEP);
	decide(t, NOW + MS(100));
	KUNIT_EXPECT_EQ(test, t->s[0].level, 4);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_RESUME);

	/* Nobody is above: there is nothing to rise to */
	t->s[1].priority = 2;
	decide(t, NOW + MS(500));
	KUNIT_EXPECT_EQ(test, t->s[0].level, 3);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_RESUME);

	/* The highest level is the limit */
	t->s[1].priority = 15;
	t->s[1].flags = BUSY;
	decide(t, NOW + MS(900));
	KUNIT_EXPECT_EQ(test, t->s[0].level, 12);
}

/* More of a level than can be mapped */
static void turns(struct kunit *test)
{
	struct policy_test *t = test->priv;
	__u64 turn = MS(10);
	unsigned int i;

	t->params.capacity = 3;
	for (i = 0; i < 5; i++)
		add(t, 7, BUSY, 1)->since_ns = NOW - i;

	/* The hardware's business, as long as nobody wants turns */
	decide(t, NOW + turn);
	for (i = 0; i < 5; i++)
		KUNIT_EXPECT_EQ(test, t->d[i], KFD_GPREEMPT_KEEP);

	/* Two too many: those that have run longest; not an inversion */
	t->params.val[KFD_GPREEMPT_TURN_US] = 10000;
	KUNIT_EXPECT_EQ(test, decide(t, NOW + turn), 0);
	for (i = 0; i < 5; i++)
		KUNIT_EXPECT_EQ(test, t->d[i], i < 3 ? KFD_GPREEMPT_KEEP :
						       KFD_GPREEMPT_PREEMPT);

	/* Two turns are over, but only one waits */
	t->s[3].flags = HELD;
	t->n = 4;
	t->s[0].since_ns = NOW + 1;
	decide(t, NOW + turn);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_KEEP);
	KUNIT_EXPECT_EQ(test, t->d[1], KFD_GPREEMPT_KEEP);
	KUNIT_EXPECT_EQ(test, t->d[2], KFD_GPREEMPT_PREEMPT);
	KUNIT_EXPECT_EQ(test, t->d[3], KFD_GPREEMPT_RESUME);

	/* Two wait, and one turn is over: the first come */
	t->n = 5;
	t->s[3].since_ns = NOW - 3;
	t->s[4].flags = HELD;
	t->s[4].since_ns = NOW - 4;
	t->s[1].since_ns = NOW + 1;
	decide(t, NOW + turn);
	KUNIT_EXPECT_EQ(test, t->d[2], KFD_GPREEMPT_PREEMPT);
	KUNIT_EXPECT_EQ(test, t->d[3], KFD_GPREEMPT_KEEP);
	KUNIT_EXPECT_EQ(test, t->d[4], KFD_GPREEMPT_RESUME);

	/* None is over */
	t->s[2].since_ns = NOW + 1;
	decide(t, NOW + turn);
	for (i = 0; i < 5; i++)
		KUNIT_EXPECT_EQ(test, t->d[i], KFD_GPREEMPT_KEEP);

	/* But one has ended before */
	t->s[2].since_ns = NOW;
	t->s[2].flags = RUNS;
	t->s[2].waves = 0;
	decide(t, NOW + turn);
	KUNIT_EXPECT_EQ(test, t->d[2], KFD_GPREEMPT_KEEP);
	KUNIT_EXPECT_EQ(test, t->d[3], KFD_GPREEMPT_KEEP);
	KUNIT_EXPECT_EQ(test, t->d[4], KFD_GPREEMPT_RESUME);

	/* Or has its waves yet to be restored */
	t->s[2].since_ns = NOW + turn - US(5000);
	decide(t, NOW + turn);
	KUNIT_EXPECT_EQ(test, t->d[4], KFD_GPREEMPT_KEEP);

	/* What cannot make room leaves it to the hardware */
	for (i = 0; i < 3; i++)
		t->s[i].flags = KFD_GPREEMPT_RUNS | KFD_GPREEMPT_PENDING;
	decide(t, NOW + turn);
	KUNIT_EXPECT_EQ(test, t->d[3], KFD_GPREEMPT_RESUME);
	KUNIT_EXPECT_EQ(test, t->d[4], KFD_GPREEMPT_RESUME);
}

/* Turns are of the uppermost level that has work, and end for what is above */
static void turns_and_levels(struct kunit *test)
{
	struct policy_test *t = test->priv;
	__u64 turn = MS(10);

	t->params.val[KFD_GPREEMPT_TURN_US] = 10000;
	t->params.capacity = 1;
	add(t, 7, BUSY, 1)->since_ns = NOW;
	add(t, 7, HELD, 0)->since_ns = NOW - 1;
	add(t, 3, HELD, 0)->since_ns = NOW - 2;
	add(t, 12, RUNS, 0);

	KUNIT_EXPECT_EQ(test, decide(t, NOW + turn), 0);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_PREEMPT);
	KUNIT_EXPECT_EQ(test, t->d[1], KFD_GPREEMPT_RESUME);
	KUNIT_EXPECT_EQ(test, t->d[2], KFD_GPREEMPT_KEEP);
	KUNIT_EXPECT_EQ(test, t->d[3], KFD_GPREEMPT_KEEP);

	t->s[3].flags = BUSY;
	KUNIT_EXPECT_EQ(test, decide(t, NOW), 1);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_PREEMPT);
	KUNIT_EXPECT_EQ(test, t->d[1], KFD_GPREEMPT_KEEP);

	/* After the limit with all of them */
	t->s[3].flags = RUNS;
	decide(t, NOW + MS(1000));
	KUNIT_EXPECT_EQ(test, t->d[2], KFD_GPREEMPT_RESUME_SLICE);
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_PREEMPT);
	KUNIT_EXPECT_EQ(test, t->d[1], KFD_GPREEMPT_KEEP);

	/* No turn ends in a slice */
	t->params.val[KFD_GPREEMPT_TURN_US] = 100;
	t->n = 2;
	t->s[0].flags = BUSY | KFD_GPREEMPT_SLICE;
	decide(t, NOW + MS(9));
	KUNIT_EXPECT_EQ(test, t->d[0], KFD_GPREEMPT_KEEP);
	KUNIT_EXPECT_EQ(test, t->d[1], KFD_GPREEMPT_KEEP);
}

/* The monitor may leave out the lowest priority, as long as none of it is held */
static void lowest(struct kunit *test)
{
	struct policy_test *t = test->priv;
	enum kfd_gpreempt_decision d[MAX_QUEUES];
	unsigned int i, all;

	t->params.val[KFD_GPREEMPT_POLICY] = KFD_GPREEMPT_POLICY_AGED;
	t->params.val[KFD_GPREEMPT_TURN_US] = 1000;
	t->params.capacity = 2;
	for (i = 0; i < 4; i++) {
		add(t, 5, i % 2 ? HELD : BUSY, 1);
		add(t, 9, i % 2 ? HELD : RUNS, 0);
	}
	all = t->n;
	for (i = 0; i < 4; i++)
		add(t, 2, i % 2 ? RUNS | KFD_GPREEMPT_STARTED : BUSY, 7);

	decide(t, NOW + MS(300));
	memcpy(d, t->d, sizeof(d));
	t->n = all;
	decide(t, NOW + MS(300));
	for (i = 0; i < all; i++)
		KUNIT_EXPECT_EQ(test, t->d[i], d[i]);
}

static void rank_order(struct kunit *test, __u32 p, int nice, bool foreign,
		       bool privileged)
{
	__u32 r = kfd_gpreempt_rank(p, nice, foreign, privileged);
	int nicer = nice < 19 ? nice + 1 : nice;

	KUNIT_EXPECT_LT(test, r, KFD_GPREEMPT_LEVELS);
	KUNIT_EXPECT_GE(test, r,
			kfd_gpreempt_rank(p, nicer, foreign, privileged));
	KUNIT_EXPECT_LE(test, r,
			kfd_gpreempt_rank(p + 1, nice, foreign, privileged));
	KUNIT_EXPECT_GE(test, r, kfd_gpreempt_rank(p, nice, true, privileged));
	KUNIT_EXPECT_LE(test, r, kfd_gpreempt_rank(p, nice, foreign, true));
}

static void rank(struct kunit *test)
{
	static const struct {
		__u32 priority;
		int nice;
		bool foreign, privileged;
		__u32 rank;
	} table[] = {
		{ 0, 0, false, false, 0 },	{ 7, 0, false, false, 7 },
		{ 15, 0, false, false, 15 },	{ U32_MAX, 0, false, false, 15 },
		{ 7, 1, false, false, 6 },	{ 7, 2, false, false, 6 },
		{ 7, 3, false, false, 5 },	{ 7, 5, false, false, 5 },
		{ 7, 10, false, false, 3 },	{ 7, 18, false, false, 0 },
		{ 7, 19, false, false, 0 },	{ 8, 19, false, false, 1 },
		{ 7, -1, false, false, 8 },	{ 7, -5, false, false, 9 },
		{ 7, -10, false, false, 11 },	{ 7, -20, false, false, 15 },
		{ 6, -20, false, false, 14 },	{ 0, 19, false, false, 0 },
		{ 15, -20, false, false, 15 },	{ 15, 19, false, false, 8 },
		/* Own priority does not lift it above those of others */
		{ 15, 0, true, false, 7 },	{ 15, 0, true, true, 15 },
		{ 3, 0, true, false, 3 },	{ 15, 0, false, true, 15 },
		{ 15, -5, true, false, 9 },	{ 15, 19, true, false, 0 },
		{ 15, -20, true, false, 15 },	{ 12, 1, true, true, 11 },
	};
	unsigned int i, who;
	__u32 p;
	int nice;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		KUNIT_EXPECT_EQ_MSG(test, table[i].rank,
				    kfd_gpreempt_rank(table[i].priority,
						      table[i].nice,
						      table[i].foreign,
						      table[i].privileged),
				    "row %u", i);

	for (p = 0; p <= KFD_GPREEMPT_LEVELS; p++)
		for (nice = -20; nice <= 19; nice++)
			for (who = 0; who < 4; who++)
				rank_order(test, p, nice, who & 1, who & 2);
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
	KUNIT_EXPECT_TRUE(test, needs_waves(t));
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

	/* Off, or of some use */
	KUNIT_EXPECT_EQ(test, t->params.val[KFD_GPREEMPT_TURN_US], 0);
	KUNIT_EXPECT_FALSE(test,
			   kfd_gpreempt_param_valid(KFD_GPREEMPT_TURN_US, 1));
	KUNIT_EXPECT_FALSE(test,
			   kfd_gpreempt_param_valid(KFD_GPREEMPT_TURN_US, 99));
	KUNIT_EXPECT_TRUE(test,
			  kfd_gpreempt_param_valid(KFD_GPREEMPT_TURN_US, 100));
	KUNIT_EXPECT_FALSE(test,
			   kfd_gpreempt_param_valid(KFD_GPREEMPT_SLICE_US, 0));
	KUNIT_EXPECT_EQ(test, t->params.val[KFD_GPREEMPT_POLICY],
			KFD_GPREEMPT_POLICY_STRICT);
	KUNIT_EXPECT_TRUE(test,
			  kfd_gpreempt_param_valid(KFD_GPREEMPT_POLICY, KFD_GPREEMPT_POLICY_AGED));
	KUNIT_EXPECT_FALSE(test,
			   kfd_gpreempt_param_valid(KFD_GPREEMPT_POLICY, 2));
	KUNIT_EXPECT_FALSE(test,
			   kfd_gpreempt_param_valid(KFD_GPREEMPT_AGING_MS, 0));
	KUNIT_EXPECT_EQ(test, t->params.val[KFD_GPREEMPT_RANK], 1);
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
	KUNIT_CASE(aging),
	KUNIT_CASE(aging_holdoff),
	KUNIT_CASE(turns),
	KUNIT_CASE(turns_and_levels),
	KUNIT_CASE(lowest),
	KUNIT_CASE(rank),
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
