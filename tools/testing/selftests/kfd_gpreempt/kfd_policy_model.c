// SPDX-License-Identifier: GPL-2.0
/*
 * The policy of GPREEMPT against a model of a device: queues come and go,
 * submit, are blocked, evicted, reniced and held by others, and lie about their
 * pointers, all at random and in virtual time. A step is one look of the
 * monitor, filled as kfd_gpreempt_monitor.c does. What the policy says is
 * carried out, and the invariants at the top of kfd_gpreempt_policy.c are
 * checked, against what is true in the model as far as that makes sense.
 *
 * Needs no GPU. Everything follows from the seed. Parameters are drawn anew for
 * every episode, from all of their range.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kselftest.h>
#include "../../../../drivers/gpu/drm/amd/amdkfd/kfd_gpreempt_policy.c"

#define MAX_QUEUES	20
#define MAX_WAVES	16
#define RING		64	/* packets */
#define RING_BYTES	(RING * AQL_PACKET_BYTES)
#define EPISODE		2000	/* steps with the same parameters */
#define PARTS		4	/* of an interval, between which things happen */

/* Looks in a row that may leave an inversion */
#define INVERTED_LOOKS	1

/* As in kfd_gpreempt_monitor.c */
#define QUIET_LOOKS	4
#define RECHECK_LOOKS	16
#define BLOCKED_NS	100000000ULL
#define BLOCKED_LOOKS	4

#define RUNS		KFD_GPREEMPT_RUNS
#define HELD		KFD_GPREEMPT_HELD

/* What a look remembers of a queue */
struct look {
	struct kfd_gpreempt_sample s;
	__u64 rptr, wptr, stalled_ns;
	unsigned int idle, unused;
	bool moved, valid;
};

struct queue {
	bool exists;
	__u64 id;
	/* What its owner and the rest of the driver say */
	__u32 priority;
	bool evicted, ioctl, fixed, hostile;
	/* What the monitor says */
	bool held, sliced;
	__u32 aged;
	__u64 since_ns;
	struct look prev;
	/* Its ring: workgroups of each packet, 0 is a barrier */
	unsigned int packet[RING];
	__u64 rptr, wptr;
	/* On the device: workgroups to be started, and those with a wave */
	unsigned int unplaced;
	unsigned int waves, flying;
	__s64 left_ns[MAX_WAVES];
	bool mapped;
	__u64 back_ns;	/* not mapped before, after a resume */
	__u64 length_ns;
	__u64 submitted, done;
	/* What the checks remember */
	bool refused;
	__u64 eligible_ns;	/* since when it is held and would run */
	__u64 displaced_ns;
	unsigned int above;	/* for these, which are where they were: mask */
	unsigned int inverted;	/* looks in a row */
};

static struct queue queues[MAX_QUEUES];
static struct kfd_gpreempt_params params;
static struct kfd_gpreempt_sample s[MAX_QUEUES];
static enum kfd_gpreempt_decision d[MAX_QUEUES];
static struct queue *of[MAX_QUEUES];
static unsigned int n;

static __u64 seed = 1, state, now_ns, interval_ns, holdoff_ns, starvation_ns;
static __u64 slice_ns, aging_ns, turn_ns, next_id;
static bool aging;
static unsigned long step, failures;
static unsigned int slots, cus, mappable, first_mapped;
static unsigned int rate, stir_rate, lie_rate, crowd;

enum invariant {
	LEGAL, INVERSION, STARVATION, IDLE, THRASH, AGING, TURNS, WAVES,
	ORDER, LOWEST, CONSERVED, COVERED, INVARIANTS
};

static const char * const names[INVARIANTS] = {
	[LEGAL]		= "decisions are legal",
	[INVERSION]	= "no inversion lasts",
	[STARVATION]	= "nobody starves",
	[IDLE]		= "nobody is held without a reason",
	[THRASH]	= "nobody is displaced again and again",
	[AGING]		= "levels are what has aged",
	[TURNS]		= "turns are taken",
	[WAVES]		= "waves are counted when they matter",
	[ORDER]		= "the order of queues does not matter",
	[LOWEST]	= "the lowest priority does not matter to others",
	[CONSERVED]	= "work is neither lost nor made",
	[COVERED]	= "all of the policy was seen",
};

static bool failed[INVARIANTS];
static unsigned long seen_preempts, seen_resumes, seen_slices, seen_aged;
static unsigned long seen_turns, seen_blocked, seen_uncounted, seen_quiet;

/* The splitmix64 generator */
static __u64 rnd(void)
{
	__u64 z = state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;

	return z ^ (z >> 31);
}

static unsigned int below(unsigned int limit)
{
	return rnd() % limit;
}

static bool chance(unsigned int one_in)
{
	return one_in && !below(one_in);
}

/* As many small ones as large ones, and the bounds themselves */
static __u64 between(__u64 min, __u64 max)
{
	unsigned int bits;
	__u64 v;

	switch (below(8)) {
	case 0:
		return min;
	case 1:
		return max;
	}
	for (bits = 0; max >> bits; bits++)
		;
	v = rnd() >> (64 - 1 - below(bits));

	return v < min ? min : v > max ? max : v;
}

static void show(void)
{
	/* In the order of KFD_GPREEMPT_* */
	static const char flag[] = "RHDPSsqtxb";
	static const char * const what[] = {
		[KFD_GPREEMPT_KEEP]		= "keep",
		[KFD_GPREEMPT_PREEMPT]		= "preempt",
		[KFD_GPREEMPT_RESUME]		= "resume",
		[KFD_GPREEMPT_RESUME_SLICE]	= "resume for a slice",
	};
	unsigned int i, j;
	char flags[16];

	ksft_print_msg("seed %llu step %lu time %llu ns, in ns:\n", seed, step,
		       now_ns);
	ksft_print_msg("interval %llu hold-off %llu starvation %llu slice %llu\n",
		       interval_ns, holdoff_ns, starvation_ns, slice_ns);
	ksft_print_msg("aging %llu turn %llu capacity %u\n",
		       aging ? aging_ns : 0, turn_ns, params.capacity);

	for (i = 0; i < n; i++) {
		const struct queue *q = of[i];

		for (j = 0; flag[j]; j++)
			flags[j] = s[i].flags & (1 << j) ? flag[j] : '-';
		flags[j] = 0;
		ksft_print_msg("%llu: priority %u level %u aged %u %s waves %u since %lld: %s\n",
			       s[i].id, s[i].priority, s[i].level, s[i].aged,
			       flags, s[i].waves, now_ns - s[i].since_ns,
			       what[d[i]]);
		ksft_print_msg("   in truth %u waves of %u fly, %u to come, %llu packets%s\n",
			       q->flying, q->waves, q->unplaced,
			       q->wptr - q->rptr, q->fixed ? ", fixed" : "");
	}
}

static void fail(enum invariant what, const char *fmt, ...)
{
	char text[256];
	va_list args;

	failures++;
	if (failed[what])
		return;
	failed[what] = true;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	ksft_print_msg("%s: %s\n", names[what], text);
	show();
}

/* --- The device --- */

static bool is_active(const struct queue *q)
{
	return q->exists && !q->evicted && !q->ioctl && !q->held;
}

static bool is_barrier(const struct queue *q)
{
	return q->rptr != q->wptr && !q->packet[q->rptr % RING];
}

/*
 * Uses the device, or could do so. Not what has left the ring and had no room
 * for long: nobody can see that. The monitor takes such a queue for quiet, and
 * looks at it again after RECHECK_LOOKS at the latest.
 */
static bool has_true_work(const struct queue *q)
{
	return q->flying || (q->rptr != q->wptr && !is_barrier(q));
}

static unsigned int flying(void)
{
	unsigned int i, sum = 0;

	for (i = 0; i < MAX_QUEUES; i++)
		sum += queues[i].flying;

	return sum;
}

/* More than can be mapped are mapped in turn, regardless of their priority */
static void map(void)
{
	unsigned int i, left = mappable;

	for (i = 0; i < MAX_QUEUES; i++) {
		struct queue *q = &queues[(first_mapped + i) % MAX_QUEUES];

		q->mapped = is_active(q) && now_ns >= q->back_ns &&
			    (!mappable || left);
		if (q->mapped && mappable)
			left--;
		if (!q->mapped)
			q->flying = 0;
	}
}

/* Room goes to what has the highest priority; saved waves are restored first */
static void place(void)
{
	unsigned int room = slots - flying();
	int priority;
	unsigned int i;

	for (priority = KFD_GPREEMPT_LEVELS - 1; priority >= 0; priority--) {
		for (i = 0; i < MAX_QUEUES; i++) {
			struct queue *q = &queues[i];

			if (!q->mapped || q->priority != (__u32)priority)
				continue;
			while (room && q->flying < q->waves) {
				q->flying++;
				room--;
			}
			for (;;) {
				while (room && q->unplaced &&
				       q->waves < MAX_WAVES) {
					q->left_ns[q->waves++] = q->length_ns;
					q->flying++;
					q->unplaced--;
					room--;
				}
				/* The next packet waits for the one before */
				if (q->unplaced || q->rptr == q->wptr ||
				    is_barrier(q))
					break;
				q->unplaced = q->packet[q->rptr++ % RING];
			}
		}
	}
}

static void run(__u64 ns)
{
	unsigned int i, j;

	for (i = 0; i < MAX_QUEUES; i++) {
		struct queue *q = &queues[i];

		for (j = 0; j < q->flying;) {
			q->left_ns[j] -= ns;
			if (q->left_ns[j] > 0) {
				j++;
				continue;
			}
			q->left_ns[j] = q->left_ns[--q->flying];
			q->left_ns[q->flying] = q->left_ns[--q->waves];
			q->done++;
		}
	}
}

/* --- What happens to it --- */

/* What was displaced for the sake of this one may be back before the hold-off */
static void leaves(struct queue *q)
{
	unsigned int i;

	for (i = 0; i < MAX_QUEUES; i++)
		queues[i].above &= ~(1U << (q - queues));
}

static void create(struct queue *q)
{
	memset(q, 0, sizeof(*q));
	q->exists = true;
	q->id = ++next_id;
	q->priority = chance(crowd) ? KFD_GPREEMPT_NORMAL :
				      below(KFD_GPREEMPT_LEVELS);
	q->fixed = chance(12);
	q->hostile = chance(lie_rate);
	q->length_ns = between(interval_ns / 8, interval_ns * 8) + 1;
}

static void submit(struct queue *q)
{
	unsigned int packets = 1 + below(4);

	while (packets-- && q->wptr - q->rptr < RING) {
		unsigned int groups = chance(12) ? 0 : 1 + below(2 * MAX_WAVES);

		q->packet[q->wptr++ % RING] = groups;
		q->submitted += groups;
	}
}

static void stir(struct queue *q)
{
	switch (below(6)) {
	case 0:
		leaves(q);
		q->exists = false;
		q->flying = 0;
		break;
	case 1:
		leaves(q);
		q->evicted = !q->evicted;
		break;
	case 2:
		/* It holds the queue besides the monitor */
		leaves(q);
		q->ioctl = !q->ioctl;
		q->since_ns = now_ns;
		if (!q->held) {
			q->aged = 0;
			q->sliced = false;
		}
		break;
	case 3:
	case 4:
		leaves(q);
		q->above = 0;
		q->priority = below(KFD_GPREEMPT_LEVELS);
		break;
	case 5:
		q->length_ns = between(interval_ns / 8, interval_ns * 8) + 1;
		break;
	}
}

static void happen(void)
{
	struct queue *q = &queues[below(MAX_QUEUES)];

	if (chance(rate)) {
		if (!q->exists)
			create(q);
		submit(q);
	}
	/* What the packet at the head waits for has come */
	q = &queues[below(MAX_QUEUES)];
	if (q->exists && is_barrier(q) && chance(8))
		q->rptr++;
	q = &queues[below(MAX_QUEUES)];
	if (q->exists && chance(stir_rate))
		stir(q);
	if (chance(4))
		first_mapped = below(MAX_QUEUES);
}

static void pass(void)
{
	unsigned int i;

	for (i = 0; i < PARTS; i++) {
		now_ns += interval_ns / PARTS;
		run(interval_ns / PARTS);
		happen();
		map();
		place();
	}
}

/* --- The monitor --- */

static bool in_slice(const struct kfd_gpreempt_sample *p)
{
	return (p->flags & RUNS) && (p->flags & KFD_GPREEMPT_SLICE) &&
	       now_ns - p->since_ns < slice_ns;
}

static void read_pointers(struct queue *q, struct look *l)
{
	/* A page that is missing says nothing */
	if (q->hostile && chance(4)) {
		l->rptr = q->prev.valid ? q->prev.rptr : 0;
		l->wptr = q->prev.valid ? q->prev.wptr : 0;
		l->valid = false;
		return;
	}
	l->valid = true;
	l->rptr = q->rptr;
	l->wptr = q->wptr;
	if (!q->hostile)
		return;
	switch (below(4)) {
	case 0:
		l->rptr = q->wptr;
		l->wptr = q->rptr;
		break;
	case 1:
		l->wptr = l->rptr;
		break;
	case 2:
		l->wptr = l->rptr + 1;
		break;
	case 3:
		l->rptr = rnd();
		l->wptr = l->rptr + below(2 * RING);
		break;
	}
}

static void sample(struct queue *q, struct look *l, bool prev_counted,
		   bool prev_sliced)
{
	const struct look *p = &q->prev;

	memset(l, 0, sizeof(*l));
	l->s.id = q->id;
	l->s.since_ns = q->since_ns;
	l->s.priority = q->priority;
	l->s.aged = q->aged;
	if (is_active(q)) {
		l->s.flags |= RUNS;
		if (!q->fixed)
			l->s.flags |= KFD_GPREEMPT_DISPLACEABLE;
		if (q->sliced)
			l->s.flags |= KFD_GPREEMPT_SLICE;
	} else if (q->held) {
		l->s.flags |= HELD;
		if (!q->ioctl && !q->evicted)
			l->s.flags |= KFD_GPREEMPT_SAVED;
	}

	read_pointers(q, l);
	if ((l->s.flags & (RUNS | KFD_GPREEMPT_SAVED)) &&
	    kfd_gpreempt_pending(l->rptr, l->wptr, RING_BYTES, true))
		l->s.flags |= KFD_GPREEMPT_PENDING;

	/* New */
	if (!p->s.id) {
		l->moved = l->rptr;
		if (l->moved)
			l->s.flags |= KFD_GPREEMPT_STARTED;
		return;
	}

	l->s.work_ns = p->s.work_ns;
	l->moved = l->rptr != p->rptr;
	if (l->moved || p->moved ||
	    ((p->s.flags & KFD_GPREEMPT_STARTED) &&
	     (prev_sliced || !(p->s.flags & RUNS))))
		l->s.flags |= KFD_GPREEMPT_STARTED;
	if (l->moved || !(l->s.flags & p->s.flags & RUNS) ||
	    p->s.since_ns != l->s.since_ns)
		return;

	if (l->s.flags & KFD_GPREEMPT_PENDING) {
		l->stalled_ns = p->stalled_ns ? p->stalled_ns : now_ns;
		l->unused = p->unused;
		if (p->s.flags & KFD_GPREEMPT_BLOCKED)
			l->s.flags |= KFD_GPREEMPT_BLOCKED;
		else if (now_ns - l->stalled_ns >= BLOCKED_NS)
			l->s.flags |= KFD_GPREEMPT_STALLED;
	}

	if (!l->valid || l->wptr != p->wptr || kfd_gpreempt_has_work(&p->s) ||
	    !(prev_counted || (p->s.flags & KFD_GPREEMPT_QUIET)))
		return;
	l->idle = p->idle + 1;
	if (l->idle >= QUIET_LOOKS && l->idle % RECHECK_LOOKS)
		l->s.flags |= KFD_GPREEMPT_QUIET;
}

static void judge_waves(struct look *l, bool room)
{
	if (room)
		l->s.flags &= ~KFD_GPREEMPT_STARTED;
	if (!(l->s.flags & (KFD_GPREEMPT_STALLED | KFD_GPREEMPT_BLOCKED)))
		return;
	if (l->s.waves) {
		l->s.flags &= ~KFD_GPREEMPT_BLOCKED;
		l->stalled_ns = now_ns;
		l->unused = 0;
	} else if (room && ++l->unused >= BLOCKED_LOOKS) {
		l->s.flags |= KFD_GPREEMPT_BLOCKED;
	}
}

/* --- The checks --- */

/* The policy's own answer is checked with the rest of it */
static bool has_work(const struct kfd_gpreempt_sample *p)
{
	if (p->flags & HELD)
		return p->flags & KFD_GPREEMPT_SAVED;

	return p->waves || (p->flags & (KFD_GPREEMPT_PENDING |
					KFD_GPREEMPT_BLOCKED)) ==
			   KFD_GPREEMPT_PENDING;
}

/* Levels of KFD_GPREEMPT_POLICY_AGED, found another way: rise one by one */
static unsigned int level(unsigned int i, bool slice)
{
	unsigned int l = s[i].priority, j;
	__u64 waited = now_ns - s[i].since_ns;

	if (!aging || slice)
		return l;
	if (!(s[i].flags & HELD))
		return s[i].aged > l && waited < slice_ns ? s[i].aged : l;

	for (; waited >= aging_ns && l < KFD_GPREEMPT_LEVELS - 1;
	     waited -= aging_ns) {
		bool above = false;

		for (j = 0; j < n; j++) {
			unsigned int other = s[j].flags & HELD ? s[j].priority :
							level(j, false);
			__u64 last = s[j].work_ns;

			if (last < s[j].since_ns)
				last = s[j].since_ns;
			if (other <= l)
				continue;
			above |= (s[j].flags & (RUNS | HELD)) &&
				 has_work(&s[j]);
			above |= (s[j].flags & RUNS) && last &&
				 now_ns - last < holdoff_ns;
		}
		if (!above)
			break;
		l++;
	}

	return l;
}

static bool is_resumed(unsigned int i)
{
	return d[i] == KFD_GPREEMPT_RESUME || d[i] == KFD_GPREEMPT_RESUME_SLICE;
}

static bool stays(unsigned int i)
{
	return (s[i].flags & RUNS) && d[i] == KFD_GPREEMPT_KEEP;
}

/* A queue that has just been resumed may have its waves yet to come */
static bool takes_room(unsigned int i)
{
	return (s[i].flags & RUNS) && (has_work(&s[i]) ||
				       now_ns - s[i].since_ns < 2 * interval_ns);
}

static void check_turns(unsigned int top, bool *by_turn)
{
	unsigned int i, j, before = 0, after = 0, in = 0, out = 0, fixed = 0;
	unsigned int expired = 0, wait = 0;

	for (i = 0; i < n; i++) {
		bool work = has_work(&s[i]);

		if (s[i].level != top)
			continue;
		if (by_turn[i]) {
			out++;
			if (now_ns - s[i].since_ns < turn_ns)
				fail(TURNS, "queue %llu is out early", s[i].id);
		}
		if (takes_room(i)) {
			before++;
			after += stays(i);
			fixed += !(s[i].flags & KFD_GPREEMPT_DISPLACEABLE);
			expired += work && stays(i) && !in_slice(&s[i]) &&
				   (s[i].flags & KFD_GPREEMPT_DISPLACEABLE) &&
				   now_ns - s[i].since_ns >= turn_ns;
		}
		if (d[i] == KFD_GPREEMPT_RESUME && work)
			in++;
		wait += (s[i].flags & HELD) && work && !is_resumed(i);
	}

	if (!turn_ns || !params.capacity || fixed >= params.capacity) {
		if (out)
			fail(TURNS, "%u are out although there are no turns",
			     out);
		return;
	}
	if (in && after + in > params.capacity)
		fail(TURNS, "%u run then", after + in);
	if (out && after + in < params.capacity && wait)
		fail(TURNS, "%u are out for %u", out, in);
	if (out > in && before <= params.capacity)
		fail(TURNS, "%u are out for %u", out, in);
	if (out && after + in < params.capacity && out > in)
		fail(TURNS, "%u are out, %u in, %u stay", out, in, after);
	/* Where some are resumed at this level, none of it may be kept off */
	if (in && wait && expired)
		fail(TURNS, "%u keep their place though their turn is over",
		     expired);

	for (i = 0; i < n; i++) {
		if (s[i].level != top || !has_work(&s[i]))
			continue;
		for (j = 0; j < n; j++) {
			if (s[j].level != top || !has_work(&s[j]) ||
			    s[j].since_ns >= s[i].since_ns)
				continue;
			if (d[i] == KFD_GPREEMPT_RESUME &&
			    d[j] == KFD_GPREEMPT_KEEP && (s[j].flags & HELD))
				fail(TURNS, "queue %llu before %llu", s[i].id,
				     s[j].id);
			if (by_turn[i] && stays(j) && !in_slice(&s[j]) &&
			    (s[j].flags & KFD_GPREEMPT_DISPLACEABLE))
				fail(TURNS, "queue %llu is out before %llu",
				     s[i].id, s[j].id);
		}
	}
	seen_turns += out;
}

static void check(void)
{
	bool slice = false, starts = false, by_turn[MAX_QUEUES] = { false };
	unsigned int who = 0, top = 0, i, j;
	bool top_work = false;

	for (i = 0; i < n; i++) {
		if (in_slice(&s[i])) {
			if (!slice || s[i].priority > who)
				who = s[i].priority;
			slice = true;
		}
	}
	for (i = 0; i < n; i++) {
		bool late = has_work(&s[i]) &&
			    now_ns + interval_ns - s[i].since_ns >
			    starvation_ns;

		if (d[i] != KFD_GPREEMPT_RESUME_SLICE)
			continue;
		if (slice)
			fail(LEGAL, "a slice for %llu in one of another",
			     s[i].id);
		if (starts && s[i].priority != who)
			fail(LEGAL, "two priorities have a slice");
		starts = true;
		who = s[i].priority;
		for (j = 0; j < n && !late; j++)
			late = (s[j].flags & HELD) && has_work(&s[j]) &&
			       s[j].priority == who &&
			       now_ns + interval_ns - s[j].since_ns >
			       starvation_ns;
		if (!late)
			fail(LEGAL, "nobody starves like %llu", s[i].id);
	}
	slice |= starts;

	for (i = 0; i < n; i++) {
		unsigned int is = level(i, slice);

		if (s[i].level != is)
			fail(AGING, "queue %llu at %u, not %u", s[i].id,
			     s[i].level, is);
		if (has_work(&s[i]) &&
		    (stays(i) || d[i] == KFD_GPREEMPT_RESUME) &&
		    (!top_work || s[i].level > top)) {
			top = s[i].level;
			top_work = true;
		}
	}

	for (i = 0; i < n; i++) {
		bool work = has_work(&s[i]);
		/* Or started it, and it may not have got room */
		bool some = work || (s[i].flags & KFD_GPREEMPT_STARTED);
		bool reason = slice, now_above = false, above = false;
		unsigned int same = 0;

		if (is_resumed(i) && !(s[i].flags & HELD))
			fail(LEGAL, "queue %llu is not held", s[i].id);
		if (d[i] == KFD_GPREEMPT_PREEMPT &&
		    (!(s[i].flags & RUNS) || !some || in_slice(&s[i]) ||
		     !(s[i].flags & KFD_GPREEMPT_DISPLACEABLE)))
			fail(LEGAL, "queue %llu must not be preempted", s[i].id);

		for (j = 0; j < n; j++) {
			bool theirs = has_work(&s[j]);
			__u64 last = s[j].work_ns;

			if (last < s[j].since_ns)
				last = s[j].since_ns;
			if (s[j].level == s[i].level)
				same += takes_room(j) ||
					(theirs && (s[j].flags & HELD));
			if (s[j].level <= s[i].level)
				continue;
			/* Work above, as soon as this look is over */
			if (theirs && (stays(j) || is_resumed(j)))
				now_above = true;
			if ((s[j].flags & RUNS) &&
			    (theirs || (last && now_ns - last < holdoff_ns)))
				above = true;
			/* Resumed now, or when its turn comes */
			if (theirs && (s[j].flags & HELD) &&
			    (is_resumed(j) || (turn_ns && params.capacity))) {
				above = true;
				reason = true;
			}
			if ((s[j].flags & RUNS) &&
			    (s[j].flags & KFD_GPREEMPT_STARTED))
				reason = true;
		}

		if (stays(i) && (s[i].flags & KFD_GPREEMPT_DISPLACEABLE) &&
		    some && now_above && !in_slice(&s[i]))
			fail(INVERSION, "queue %llu stays below others",
			     s[i].id);
		if (slice && stays(i) && s[i].priority > who && work &&
		    !in_slice(&s[i]) &&
		    (s[i].flags & KFD_GPREEMPT_DISPLACEABLE))
			fail(INVERSION, "queue %llu stays in a slice", s[i].id);
		if (d[i] == KFD_GPREEMPT_RESUME && above)
			fail(THRASH, "queue %llu is back, others above work",
			     s[i].id);
		if (d[i] == KFD_GPREEMPT_KEEP && (s[i].flags & HELD) &&
		    !slice && !above &&
		    !(turn_ns && params.capacity && same > params.capacity))
			fail(IDLE, "queue %llu is kept off", s[i].id);
		if (d[i] == KFD_GPREEMPT_PREEMPT && !reason && !now_above) {
			if (turn_ns && params.capacity && s[i].level == top &&
			    same > params.capacity)
				by_turn[i] = true;
			else
				fail(IDLE, "queue %llu is displaced for nobody",
				     s[i].id);
		}
	}

	check_turns(top, by_turn);

	/* Slices of all other priorities can come before */
	for (i = 0; i < n; i++) {
		struct queue *q = of[i];
		__u64 ticks = (slice_ns + interval_ns - 1) / interval_ns;

		if (!(s[i].flags & HELD) || !has_work(&s[i])) {
			q->eligible_ns = 0;
			continue;
		}
		if (!q->eligible_ns)
			q->eligible_ns = now_ns;
		if (!is_resumed(i) && now_ns - s[i].since_ns >= starvation_ns &&
		    now_ns - q->eligible_ns >= starvation_ns +
		    (KFD_GPREEMPT_LEVELS - 1) * (ticks + 1) * interval_ns)
			fail(STARVATION, "queue %llu waits for %llu", s[i].id,
			     now_ns - q->eligible_ns);
		/* Late, and neither it nor one that came before has a slice */
		if (!is_resumed(i) &&
		    now_ns + interval_ns - s[i].since_ns > starvation_ns) {
			bool excused = false;

			for (j = 0; j < n; j++)
				excused |= in_slice(&s[j]) ||
					   d[j] == KFD_GPREEMPT_RESUME_SLICE ||
					   (is_resumed(j) &&
					    s[j].since_ns < s[i].since_ns);
			if (!excused)
				fail(STARVATION, "queue %llu gets no slice",
				     s[i].id);
		}
	}
	for (i = 0; i < n; i++) {
		if (d[i] != KFD_GPREEMPT_RESUME_SLICE)
			continue;
		for (j = 0; j < n; j++)
			if ((s[j].flags & HELD) && !is_resumed(j) &&
			    s[j].priority == s[i].priority)
				fail(STARVATION, "queue %llu is left behind",
				     s[j].id);
	}
}

/* Is a decision the same for any order, and without those that cannot matter? */
static void check_pure(void)
{
	static struct kfd_gpreempt_sample t[MAX_QUEUES];
	static enum kfd_gpreempt_decision e[MAX_QUEUES];
	unsigned int where[MAX_QUEUES], i, m = 0;
	__u32 lowest = KFD_GPREEMPT_LEVELS;

	for (i = 0; i < n; i++)
		t[i] = s[n - 1 - i];
	kfd_gpreempt_decide(&params, t, n, now_ns, e);
	for (i = 0; i < n; i++)
		if (e[n - 1 - i] != d[i])
			fail(ORDER, "queue %llu", s[i].id);

	for (i = 0; i < n; i++)
		if ((s[i].flags & (RUNS | HELD)) && s[i].priority < lowest)
			lowest = s[i].priority;
	for (i = 0; i < n; i++) {
		if (s[i].priority == lowest &&
		    ((s[i].flags & (HELD | KFD_GPREEMPT_SLICE)) ||
		     s[i].aged > lowest))
			return;
		if (s[i].priority == lowest)
			continue;
		where[m] = i;
		t[m++] = s[i];
	}
	kfd_gpreempt_decide(&params, t, m, now_ns, e);
	for (i = 0; i < m; i++)
		if (e[i] != d[where[i]])
			fail(LOWEST, "queue %llu", t[i].id);
}

/* Waves that were not counted: had they changed anything? */
static void check_waves(void)
{
	static struct kfd_gpreempt_sample t[MAX_QUEUES];
	static enum kfd_gpreempt_decision e[MAX_QUEUES];
	unsigned int i;

	seen_uncounted++;
	memcpy(t, s, sizeof(t));
	for (i = 0; i < n; i++)
		if (!(s[i].flags & KFD_GPREEMPT_QUIET) && is_active(of[i]) &&
		    (of[i]->flying || chance(8)))
			t[i].waves = of[i]->flying + 1;
	kfd_gpreempt_decide(&params, t, n, now_ns, e);
	for (i = 0; i < n; i++)
		if (e[i] != d[i])
			fail(WAVES, "queue %llu", s[i].id);
}

/* True work above true waves, that the look could see: for how many looks? */
static void check_truth(const bool *mapped, const bool *flew)
{
	unsigned int i, j;

	for (i = 0; i < n; i++) {
		struct queue *q = of[i];
		bool inverted = false;

		for (j = 0; j < n; j++)
			inverted |= mapped[j] && of[j]->mapped &&
				    !of[j]->hostile &&
				    !(s[j].flags & (KFD_GPREEMPT_BLOCKED |
						    KFD_GPREEMPT_QUIET)) &&
				    has_true_work(of[j]) &&
				    s[j].level > s[i].level;
		inverted &= flew[i] && q->flying && !q->fixed && is_active(q) &&
			    !in_slice(&s[i]) &&
			    d[i] != KFD_GPREEMPT_RESUME_SLICE;
		inverted &= !q->refused;
		q->refused = false;
		q->inverted = inverted ? q->inverted + 1 : 0;
		if (q->inverted > INVERTED_LOOKS)
			fail(INVERSION, "queue %llu runs below others for %u looks",
			     q->id, q->inverted);
	}
}

static void check_conserved(void)
{
	unsigned int i;

	for (i = 0; i < MAX_QUEUES; i++) {
		struct queue *q = &queues[i];
		__u64 left = q->unplaced + q->waves, p;

		if (!q->exists)
			continue;
		for (p = q->rptr; p != q->wptr; p++)
			left += q->packet[p % RING];
		if (q->done + left != q->submitted)
			fail(CONSERVED, "queue %llu", q->id);
	}
}

static unsigned int those_above(unsigned int i)
{
	unsigned int j, mask = 0;

	for (j = 0; j < n; j++) {
		if (stays(j) && s[j].priority > s[i].priority &&
		    ((s[j].flags & KFD_GPREEMPT_STARTED) ||
		     has_work(&s[j])))
			mask |= 1U << (of[j] - queues);
	}

	return mask;
}

/* Carry out, and see how often */
static void act(void)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		struct queue *q = of[i];

		if (d[i] == KFD_GPREEMPT_KEEP)
			continue;
		/* Refused, for whatever reason */
		if (chance(200)) {
			q->refused = true;
			continue;
		}

		q->since_ns = now_ns + i;
		if (d[i] == KFD_GPREEMPT_PREEMPT) {
			seen_preempts++;
			if (q->above && now_ns - q->displaced_ns <
			    holdoff_ns + interval_ns)
				fail(THRASH, "queue %llu is displaced after %llu",
				     q->id, now_ns - q->displaced_ns);
			q->displaced_ns = now_ns;
			q->above = those_above(i);
			q->held = true;
			q->sliced = false;
			leaves(q);
		} else {
			seen_resumes++;
			seen_slices += d[i] == KFD_GPREEMPT_RESUME_SLICE;
			seen_aged += s[i].level > s[i].priority;
			q->held = false;
			q->sliced = d[i] == KFD_GPREEMPT_RESUME_SLICE;
			q->aged = s[i].level;
			/* Neither of these knows a hold-off */
			if (q->sliced || s[i].level > s[i].priority)
				q->above = 0;
			/* Until the next look but one at the latest */
			q->back_ns = now_ns + below(3) * interval_ns / 2;
		}
	}
	map();
	place();
}

static void look(void)
{
	static bool prev_counted, prev_sliced;
	struct look looks[MAX_QUEUES];
	bool counted = false, missed, mapped[MAX_QUEUES], flew[MAX_QUEUES];
	unsigned int i;

	n = 0;
	for (i = 0; i < MAX_QUEUES; i++) {
		if (!queues[i].exists)
			continue;
		of[n] = &queues[i];
		sample(&queues[i], &looks[n], prev_counted, prev_sliced);
		s[n] = looks[n].s;
		mapped[n] = of[n]->mapped;
		flew[n] = of[n]->flying;
		n++;
	}

	if (kfd_gpreempt_needs_waves(&params, s, n, now_ns) && !chance(500)) {
		bool room = flying() < cus;

		counted = true;
		for (i = 0; i < n; i++) {
			looks[i].s.waves = of[i]->flying;
			judge_waves(&looks[i], room);
		}
	}
	missed = !counted && kfd_gpreempt_needs_waves(&params, s, n, now_ns);

	prev_sliced = false;
	for (i = 0; i < n; i++) {
		struct kfd_gpreempt_sample *p = &looks[i].s;

		if ((p->flags & RUNS) && kfd_gpreempt_has_work(p))
			p->work_ns = now_ns;
		prev_sliced |= kfd_gpreempt_in_slice(&params, p, now_ns);
		seen_blocked += !!(p->flags & KFD_GPREEMPT_BLOCKED);
		seen_quiet += !!(p->flags & KFD_GPREEMPT_QUIET);
		s[i] = *p;
	}

	if (kfd_gpreempt_decide(&params, s, n, now_ns, d))
		for (i = 0; i < n; i++)
			if (s[i].flags & KFD_GPREEMPT_STARTED)
				looks[i].s.work_ns = now_ns;

	check();
	check_pure();
	if (!counted && !missed)
		check_waves();
	for (i = 0; i < n; i++)
		of[i]->prev = looks[i];
	prev_counted = counted;
	act();
	check_truth(mapped, flew);
}

/* --- Episodes --- */

static void begin(void)
{
	static const struct {
		__u64 min, max;
	} bounds[KFD_GPREEMPT_NUM_PARAMS] = {
		[KFD_GPREEMPT_INTERVAL_US]	= { 100, 1000000 },
		[KFD_GPREEMPT_HOLDOFF_US]	= { 0, 10000000 },
		[KFD_GPREEMPT_STARVATION_MS]	= { 10, 3600000 },
		[KFD_GPREEMPT_SLICE_US]		= { 100, 1000000 },
		[KFD_GPREEMPT_POLICY]		= { 0, 1 },
		[KFD_GPREEMPT_AGING_MS]		= { 1, 3600000 },
		[KFD_GPREEMPT_TURN_US]		= { 100, 1000000 },
		[KFD_GPREEMPT_RANK]		= { 0, 1 },
	};
	unsigned int i;

	memset(queues, 0, sizeof(queues));
	kfd_gpreempt_params_init(&params);
	/* Once in a while the defaults; some may depend on each other */
	for (i = 0; i < KFD_GPREEMPT_NUM_PARAMS; i++) {
		if (chance(3))
			continue;
		params.val[i] = between(bounds[i].min, bounds[i].max);
		if (!kfd_gpreempt_param_valid(i, params.val[i]) ||
		    kfd_gpreempt_param_valid(i, bounds[i].max + 1))
			fail(LEGAL, "bounds of parameter %u", i);
	}
	if (chance(2))
		params.val[KFD_GPREEMPT_TURN_US] = 0;
	/* Slices shall not be all there is */
	if (chance(2))
		params.val[KFD_GPREEMPT_STARVATION_MS] =
			between(1000 + params.val[KFD_GPREEMPT_INTERVAL_US] / 5,
				bounds[KFD_GPREEMPT_STARVATION_MS].max);
	params.capacity = chance(3) ? 0 : 1 + below(MAX_QUEUES / 2);

	interval_ns = params.val[KFD_GPREEMPT_INTERVAL_US] * 1000;
	holdoff_ns = params.val[KFD_GPREEMPT_HOLDOFF_US] * 1000;
	starvation_ns = params.val[KFD_GPREEMPT_STARVATION_MS] * 1000000;
	slice_ns = params.val[KFD_GPREEMPT_SLICE_US] * 1000;
	aging = params.val[KFD_GPREEMPT_POLICY] == KFD_GPREEMPT_POLICY_AGED;
	aging_ns = params.val[KFD_GPREEMPT_AGING_MS] * 1000000;
	turn_ns = params.val[KFD_GPREEMPT_TURN_US] * 1000;

	slots = 8 + below(120);
	cus = 1 + slots / 4;
	mappable = chance(2) ? 0 : 4 + below(MAX_QUEUES);
	rate = 1 + below(16);
	crowd = 1 + below(4);
	stir_rate = chance(3) ? 0 : 1 + below(200);
	lie_rate = chance(2) ? 0 : 1 + below(20);
	now_ns += 1000000000ULL + rnd() % 1000000;
}

int main(int argc, char **argv)
{
	unsigned long steps = 100000;
	int opt, i;

	while ((opt = getopt(argc, argv, "s:n:")) != -1) {
		if (opt == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (opt == 'n')
			steps = strtoul(optarg, NULL, 0);
		else
			ksft_exit_fail_msg("usage: %s [-s SEED] [-n STEPS]\n",
					   argv[0]);
	}
	state = seed;

	ksft_print_header();
	ksft_set_plan(INVARIANTS);
	ksft_print_msg("seed %llu, %lu steps\n", seed, steps);

	for (step = 0; step < steps && !failures; step++) {
		if (!(step % EPISODE))
			begin();
		pass();
		look();
		if (!(step % 16))
			check_conserved();
	}

	ksft_print_msg("preempted %lu, resumed %lu\n", seen_preempts,
		       seen_resumes);
	ksft_print_msg("for a slice %lu, aged %lu, turns %lu\n", seen_slices,
		       seen_aged, seen_turns);
	ksft_print_msg("blocked %lu, quiet %lu, looks without waves %lu\n",
		       seen_blocked, seen_quiet, seen_uncounted);
	if (steps >= 50000 && !failures &&
	    !(seen_slices && seen_aged && seen_turns && seen_blocked &&
	      seen_quiet && seen_uncounted))
		failed[COVERED] = true;

	for (i = 0; i < INVARIANTS; i++)
		ksft_test_result(!failed[i], "%s\n", names[i]);
	ksft_finished();
}
