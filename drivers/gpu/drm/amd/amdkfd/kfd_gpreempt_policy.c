// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The policy of GPREEMPT: pure functions from samples to decisions. No locks,
 * no I/O, no state, no types of the driver.
 *
 * Strict priority between levels: while a queue has work, whatever occupies
 * the device at a lower level is displaced. A displaced queue comes back when
 * all levels above have been without work for the hold-off, or when it has
 * waited for the starvation limit, and then has the device for a slice.
 *
 * With KFD_GPREEMPT_POLICY_AGED it also rises by a level whenever it has waited
 * for the aging time. As soon as it is on a par with those that keep it off, it
 * shares the device with them, and after a slice falls back to its priority.
 *
 * With turns, queues of the uppermost level that has work, and that are more
 * than can be mapped at once, take turns.
 *
 * What holds, as far as queues can be preempted at all:
 * 1. Legal: only what is held is resumed; only what runs, may be displaced, has
 *    work or started some that got no room, and is in no slice is preempted.
 * 2. No inversion: no queue that can use the device waits for one of a lower
 *    level longer than one interval (two, if the first look found nothing
 *    mapped) and one save, except during a slice.
 * 3. No starvation: no queue that would run stays preempted longer than the
 *    starvation limit, and the slices of priorities that have waited longer.
 *    One priority has a slice at a time, and nobody takes it away.
 * 4. Nothing idle: a queue that would run is held only while one above has work
 *    or had some within the hold-off, during a slice, or until its turn comes.
 *    A queue that was resumed had work at that moment.
 * 5. No thrash: a queue is displaced at most once in a hold-off and an interval,
 *    as long as those above neither leave nor change their priority; for lower
 *    ones at most once in the slice of each; for equals, at most once in a turn.
 *    After it has aged it runs for a slice unless a level above that has work.
 * 6. A queue that is blocked displaces nobody: a level that waits for a lower
 *    one holds it off for as long as it takes to see that, and not for ever.
 * 7. Aging puts no queue above those that keep it off. Slices do not know it.
 * 8. Turns never put back more queues than can be mapped, come in the order of
 *    waiting, and end before their time only for a higher level or a slice.
 * 9. The order of the queues does not matter, nor, for others, does the lowest
 *    priority, see struct kfd_gpreempt_sample.
 */

#include "kfd_gpreempt_policy.h"

/* Sizes of packets, and of the unit that read and write pointer count in */
#define AQL_PACKET_BYTES	64
#define PM4_DWORD_BYTES		4

static const struct {
	__u64 min, max, def;
	bool off;	/* 0 is valid as well */
} limits[KFD_GPREEMPT_NUM_PARAMS] = {
	[KFD_GPREEMPT_INTERVAL_US]	= { 100, 1000000, 5000 },
	[KFD_GPREEMPT_HOLDOFF_US]	= { 0, 10000000, 10000 },
	[KFD_GPREEMPT_STARVATION_MS]	= { 10, 3600000, 1000 },
	[KFD_GPREEMPT_SLICE_US]		= { 100, 1000000, 10000 },
	[KFD_GPREEMPT_POLICY]		= { KFD_GPREEMPT_POLICY_STRICT,
					    KFD_GPREEMPT_POLICY_AGED,
					    KFD_GPREEMPT_POLICY_STRICT },
	[KFD_GPREEMPT_AGING_MS]		= { 1, 3600000, 100 },
	[KFD_GPREEMPT_TURN_US]		= { 100, 1000000, 0, true },
	[KFD_GPREEMPT_RANK]		= { 0, 1, 1 },
};

/* What the whole of nice, up or down, moves a queue of normal priority */
#define NICE_DOWN_MAX		19
#define NICE_DOWN_LEVELS	KFD_GPREEMPT_NORMAL
#define NICE_UP_MAX		20
#define NICE_UP_LEVELS		(KFD_GPREEMPT_LEVELS - 1 - KFD_GPREEMPT_NORMAL)

/**
 * kfd_gpreempt_params_init - set all parameters to their defaults
 * @params: the parameters, and an unlimited capacity
 */
void kfd_gpreempt_params_init(struct kfd_gpreempt_params *params)
{
	unsigned int i;

	for (i = 0; i < KFD_GPREEMPT_NUM_PARAMS; i++)
		params->val[i] = limits[i].def;
	params->capacity = 0;
}

/**
 * kfd_gpreempt_param_valid - is a value within the bounds of a parameter?
 * @param: the parameter
 * @value: the value, in the parameter's unit
 *
 * Return: false also for a parameter that does not exist.
 */
bool kfd_gpreempt_param_valid(enum kfd_gpreempt_param param, __u64 value)
{
	if ((unsigned int)param >= KFD_GPREEMPT_NUM_PARAMS)
		return false;

	return (value >= limits[param].min && value <= limits[param].max) ||
	       (value == 0 && limits[param].off);
}

/**
 * kfd_gpreempt_rank - what a queue's priority counts among those of a device
 * @priority: its own, 0 to KFD_GPREEMPT_LEVELS - 1; more counts as that
 * @nice: of its process, -20 to 19
 * @foreign: queues of other users are active on the device
 * @privileged: its owner may raise its nice value, CAP_SYS_NICE
 *
 * Any program can ask for any priority, but nice is guarded: towards other
 * users only the latter lifts a queue above normal.
 *
 * Nice 19 takes a normal queue to the lowest level, nice -20 to the highest one,
 * in even steps between. They are rounded away from 0, for 1 to matter already:
 * nice 1 and 2 are one level, 10 is four, 19 is seven, -20 is eight.
 *
 * Return: its rank, 0 to KFD_GPREEMPT_LEVELS - 1; never less for more priority,
 * less nice, or more privilege.
 */
__u32 kfd_gpreempt_rank(__u32 priority, int nice, bool foreign,
			bool privileged)
{
	int rank = priority < KFD_GPREEMPT_LEVELS ? priority :
						    KFD_GPREEMPT_LEVELS - 1;

	if (foreign && !privileged && rank > KFD_GPREEMPT_NORMAL)
		rank = KFD_GPREEMPT_NORMAL;

	if (nice > 0)
		rank -= (nice * NICE_DOWN_LEVELS + NICE_DOWN_MAX - 1) /
			NICE_DOWN_MAX;
	else
		rank += (-nice * NICE_UP_LEVELS + NICE_UP_MAX - 1) /
			NICE_UP_MAX;

	if (rank < 0)
		return 0;

	return rank < KFD_GPREEMPT_LEVELS ? rank : KFD_GPREEMPT_LEVELS - 1;
}

/**
 * kfd_gpreempt_pending - has a queue packets that were not started?
 * @rptr: read pointer, as found in the memory of the process
 * @wptr: write pointer, as found in the memory of the process
 * @ring_bytes: size of the ring in bytes, a power of 2
 * @aql: they count AQL packets and never wrap, else dwords within the ring
 *
 * The process can have written anything there. Pointers that are further apart
 * than the ring is long are not believed: who does that loses the place that
 * pending work would have given, and nobody else loses anything.
 *
 * Return: true if there are.
 */
bool kfd_gpreempt_pending(__u64 rptr, __u64 wptr, __u64 ring_bytes, bool aql)
{
	if (aql)
		return wptr != rptr &&
		       wptr - rptr <= ring_bytes / AQL_PACKET_BYTES;

	return ring_bytes >= PM4_DWORD_BYTES &&
	       (wptr ^ rptr) & (ring_bytes / PM4_DWORD_BYTES - 1);
}

static unsigned int priority_of(const struct kfd_gpreempt_sample *s)
{
	return s->priority < KFD_GPREEMPT_LEVELS ? s->priority :
						   KFD_GPREEMPT_LEVELS - 1;
}

/* As if there was no limit to aging but the highest level */
static unsigned int aged_level(const struct kfd_gpreempt_params *params,
			       const struct kfd_gpreempt_sample *s,
			       __u64 now_ns)
{
	__u64 aging_ns = params->val[KFD_GPREEMPT_AGING_MS] * 1000000;
	__u64 slice_ns = params->val[KFD_GPREEMPT_SLICE_US] * 1000;
	__u64 level = priority_of(s);

	if (params->val[KFD_GPREEMPT_POLICY] != KFD_GPREEMPT_POLICY_AGED)
		return level;

	if (s->flags & KFD_GPREEMPT_HELD)
		level += (now_ns - s->since_ns) / aging_ns;
	else if (s->aged > level && now_ns - s->since_ns < slice_ns)
		level = s->aged;

	return level < KFD_GPREEMPT_LEVELS ? level : KFD_GPREEMPT_LEVELS - 1;
}

/**
 * kfd_gpreempt_has_work - has a queue work, started or not?
 * @s: the queue
 *
 * Read pointer equal to write pointer does not mean idle: a packet leaves the
 * ring when it is started. Packets that cannot be started are no work yet.
 *
 * Return: true if it has.
 */
bool kfd_gpreempt_has_work(const struct kfd_gpreempt_sample *s)
{
	if ((s->flags & KFD_GPREEMPT_PENDING) &&
	    !(s->flags & KFD_GPREEMPT_BLOCKED))
		return true;
	if (s->flags & KFD_GPREEMPT_SAVED)
		return true;
	return !(s->flags & KFD_GPREEMPT_HELD) && s->waves;
}

/**
 * kfd_gpreempt_in_slice - has a queue the device because it had starved?
 * @params: parameters of the device
 * @s: the queue
 * @now_ns: the time, on the clock of its times
 *
 * Whether it uses it or not: a slice is short, and its waves may have yet to be
 * restored.
 *
 * Return: true if it has.
 */
bool kfd_gpreempt_in_slice(const struct kfd_gpreempt_params *params,
			   const struct kfd_gpreempt_sample *s, __u64 now_ns)
{
	__u64 slice_ns = params->val[KFD_GPREEMPT_SLICE_US] * 1000;

	return (s->flags & KFD_GPREEMPT_RUNS) &&
	       (s->flags & KFD_GPREEMPT_SLICE) &&
	       now_ns - s->since_ns < slice_ns;
}

#define QUIET_OR_STARTED	(KFD_GPREEMPT_QUIET | KFD_GPREEMPT_STARTED)

/**
 * kfd_gpreempt_needs_waves - can waves in flight make a difference?
 * @params: parameters of the device
 * @s: the queues, without @waves
 * @n: number of queues
 * @now_ns: the time of the samples, on the clock of their times
 *
 * Counting waves costs hundreds of register accesses. They matter if a queue
 * may have work and another one below it runs, or is held back for it; also if
 * one that holds others back makes no progress. Only a queue's claim to have no
 * work is believed; a lower one could be made to look quiet by its owner, to
 * stay where it is.
 *
 * Return: true if the waves have to be counted for a decision.
 */
bool kfd_gpreempt_needs_waves(const struct kfd_gpreempt_params *params,
			      const struct kfd_gpreempt_sample *s,
			      unsigned int n, __u64 now_ns)
{
	int runs = KFD_GPREEMPT_LEVELS, held = KFD_GPREEMPT_LEVELS;
	int work = -1, maybe = -1, back = -1, limit = -1;
	unsigned int i;

	for (i = 0; i < n; i++) {
		/* The one in a slice, the other one otherwise */
		int low = priority_of(&s[i]);
		int high = aged_level(params, &s[i], now_ns);

		if (s[i].flags & KFD_GPREEMPT_HELD) {
			if (low < held)
				held = low;
			if (high > back)
				back = high;
			if (low > limit)
				limit = low;
		} else if (s[i].flags & KFD_GPREEMPT_RUNS) {
			if (low < runs)
				runs = low;
			if (high > limit)
				limit = high;
			/* It has the device, used or not */
			if (kfd_gpreempt_in_slice(params, &s[i], now_ns) &&
			    low > work)
				work = low;
			if (!kfd_gpreempt_has_work(&s[i])) {
				bool quiet = (s[i].flags & QUIET_OR_STARTED) ==
					     KFD_GPREEMPT_QUIET;

				if (!quiet && high > maybe)
					maybe = high;
				continue;
			}
			if (high > work)
				work = high;
			if ((s[i].flags & KFD_GPREEMPT_STALLED) &&
			    high > maybe)
				maybe = high;
		}
	}

	/* Nobody ages beyond that */
	if (back > limit)
		back = limit;

	/* Who makes room for whom? */
	if (params->val[KFD_GPREEMPT_TURN_US] && params->capacity &&
	    n > params->capacity && maybe >= 0)
		return true;

	/*
	 * Work above that goes on suffices to keep what is held where it is.
	 * Held back for a slice below, it is back when that ends.
	 */
	return runs < work || runs < maybe || runs < back || held < maybe;
}

/* It had work when it was resumed, but its waves may have yet to be restored */
static __u64 last_work_ns(const struct kfd_gpreempt_sample *s)
{
	return s->work_ns > s->since_ns ? s->work_ns : s->since_ns;
}

static bool in_holdoff(const struct kfd_gpreempt_params *params,
		       __u64 last_ns, __u64 now_ns)
{
	__u64 holdoff_ns = params->val[KFD_GPREEMPT_HOLDOFF_US] * 1000;

	return last_ns && now_ns - last_ns < holdoff_ns;
}

/*
 * Aged is what is held, and for a slice what was. Nobody ages beyond those that
 * keep it off: it shares the device with them, and does not take it from them.
 */
static void set_levels(const struct kfd_gpreempt_params *params,
		       struct kfd_gpreempt_sample *s, unsigned int n,
		       __u64 now_ns, bool aging)
{
	unsigned int i, level, top = 0;

	for (i = 0; i < n; i++) {
		bool held = s[i].flags & KFD_GPREEMPT_HELD;
		bool runs = s[i].flags & KFD_GPREEMPT_RUNS;

		s[i].level = aging && !held ?
			     aged_level(params, &s[i], now_ns) :
			     priority_of(&s[i]);
		if (s[i].level > top && (held || runs) &&
		    (kfd_gpreempt_has_work(&s[i]) ||
		     (!held && in_holdoff(params, last_work_ns(&s[i]), now_ns))))
			top = s[i].level;
	}

	for (i = 0; aging && i < n; i++) {
		if (!(s[i].flags & KFD_GPREEMPT_HELD) || s[i].level >= top)
			continue;
		level = aged_level(params, &s[i], now_ns);
		s[i].level = level < top ? level : top;
	}
}

/* What levels look like from below */
struct view {
	/* Reason to stay away, and to be preempted */
	bool work[KFD_GPREEMPT_LEVELS];
	bool want[KFD_GPREEMPT_LEVELS];
	/* No reason, for long enough */
	bool may_resume[KFD_GPREEMPT_LEVELS];
};

/* @slice: the level that has a slice, or -1 */
static void look_up(const struct kfd_gpreempt_params *params,
		    const struct kfd_gpreempt_sample *s, unsigned int n,
		    __u64 now_ns, int slice, struct view *above)
{
	bool started[KFD_GPREEMPT_LEVELS] = { false };
	bool runs[KFD_GPREEMPT_LEVELS] = { false };
	bool held[KFD_GPREEMPT_LEVELS] = { false };
	__u64 work_ns[KFD_GPREEMPT_LEVELS] = { 0 };
	bool work = false, want = false;
	__u64 last_ns = 0;
	unsigned int i;
	int level;

	for (i = 0; i < n; i++) {
		level = s[i].level;

		if (s[i].flags & KFD_GPREEMPT_HELD) {
			held[level] |= kfd_gpreempt_has_work(&s[i]);
		} else if (s[i].flags & KFD_GPREEMPT_RUNS) {
			runs[level] |= kfd_gpreempt_has_work(&s[i]);
			started[level] |= s[i].flags & KFD_GPREEMPT_STARTED;
			if (last_work_ns(&s[i]) > work_ns[level])
				work_ns[level] = last_work_ns(&s[i]);
		}
	}

	for (level = KFD_GPREEMPT_LEVELS - 1; level >= 0; level--) {
		above->work[level] = work;
		above->want[level] = want;
		above->may_resume[level] = !work &&
					   !in_holdoff(params, last_ns, now_ns);

		/* What is resumed now is in the way of those below at once */
		work |= runs[level] || level == slice ||
			(above->may_resume[level] && held[level]);
		want |= work || started[level];
		if (work_ns[level] > last_ns)
			last_ns = work_ns[level];
	}
}

/* The next look would come too late */
static bool starves(const struct kfd_gpreempt_params *params,
		    const struct kfd_gpreempt_sample *s, __u64 now_ns)
{
	__u64 limit_ns = params->val[KFD_GPREEMPT_STARVATION_MS] * 1000000;
	__u64 interval_ns = params->val[KFD_GPREEMPT_INTERVAL_US] * 1000;

	return (s->flags & KFD_GPREEMPT_HELD) && kfd_gpreempt_has_work(s) &&
	       now_ns - s->since_ns + interval_ns > limit_ns;
}

/* The order of the array shall not decide */
static bool earlier(const struct kfd_gpreempt_sample *a,
		    const struct kfd_gpreempt_sample *b)
{
	return a->since_ns < b->since_ns ||
	       (a->since_ns == b->since_ns && a->id < b->id);
}

/*
 * Only one priority can have a slice at a time, or the higher one would take it
 * all. Next is the one that has waited longest. All of its queues start
 * together: if they did one after the other, nothing would be left for others.
 */
static int slice_level(const struct kfd_gpreempt_params *params,
		       const struct kfd_gpreempt_sample *s, unsigned int n,
		       __u64 now_ns, bool *starts)
{
	const struct kfd_gpreempt_sample *next = NULL;
	int has = -1, level;
	unsigned int i;

	for (i = 0; i < n; i++) {
		level = priority_of(&s[i]);

		if (kfd_gpreempt_in_slice(params, &s[i], now_ns) && level > has)
			has = level;
		if (starves(params, &s[i], now_ns) &&
		    (!next || earlier(&s[i], next)))
			next = &s[i];
	}

	*starts = has < 0 && next;

	return *starts ? (int)priority_of(next) : has;
}

/* Of those with @flags that have not been told to do anything */
static struct kfd_gpreempt_sample *
longest(const struct kfd_gpreempt_params *params, struct kfd_gpreempt_sample *s,
	unsigned int n, __u64 now_ns, unsigned int level, __u32 flags,
	__u64 min_ns, const enum kfd_gpreempt_decision *decision)
{
	struct kfd_gpreempt_sample *found = NULL;
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (s[i].level == level && (s[i].flags & flags) == flags &&
		    decision[i] == KFD_GPREEMPT_KEEP &&
		    kfd_gpreempt_has_work(&s[i]) &&
		    !kfd_gpreempt_in_slice(params, &s[i], now_ns) &&
		    now_ns - s[i].since_ns >= min_ns &&
		    (!found || earlier(&s[i], found)))
			found = &s[i];
	}

	return found;
}

/*
 * More of a level would run than can be mapped: those that have run longest make
 * room, for those that have waited longest.
 */
static void take_turns(const struct kfd_gpreempt_params *params,
		       struct kfd_gpreempt_sample *s, unsigned int n,
		       __u64 now_ns, enum kfd_gpreempt_decision *decision)
{
	__u64 interval_ns = params->val[KFD_GPREEMPT_INTERVAL_US] * 1000;
	__u64 turn_ns = params->val[KFD_GPREEMPT_TURN_US] * 1000;
	unsigned int i, used = 0, fresh = 0, fixed = 0, waiting = 0;
	struct kfd_gpreempt_sample *q;
	int level = -1;

	if (!turn_ns || !params->capacity || n <= params->capacity)
		return;

	for (i = 0; i < n; i++) {
		if (kfd_gpreempt_has_work(&s[i]) && (int)s[i].level > level &&
		    (decision[i] == KFD_GPREEMPT_RESUME ||
		     (decision[i] == KFD_GPREEMPT_KEEP &&
		      (s[i].flags & KFD_GPREEMPT_RUNS))))
			level = s[i].level;
	}

	for (i = 0; i < n; i++) {
		bool work = kfd_gpreempt_has_work(&s[i]);

		if ((int)s[i].level != level)
			continue;

		if (decision[i] == KFD_GPREEMPT_RESUME) {
			waiting += work;
		} else if (decision[i] == KFD_GPREEMPT_KEEP &&
			   (s[i].flags & KFD_GPREEMPT_RUNS) &&
			   /* Its waves may have yet to be restored */
			   (work || now_ns - s[i].since_ns < 2 * interval_ns)) {
			used++;
			fresh += !work;
			fixed += !(s[i].flags & KFD_GPREEMPT_DISPLACEABLE);
		}
	}

	/* Where nobody can make room, the hardware's scheduler shares it */
	if (used + waiting <= params->capacity || fixed >= params->capacity)
		return;

	/* What has yet to show work need not keep its place */
	while ((!fresh || used <= params->capacity) &&
	       used + waiting > params->capacity) {
		q = longest(params, s, n, now_ns, level,
			    KFD_GPREEMPT_RUNS | KFD_GPREEMPT_DISPLACEABLE,
			    turn_ns, decision);
		if (!q)
			break;
		decision[q - s] = KFD_GPREEMPT_PREEMPT;
		used--;
	}

	for (i = 0; i < n; i++) {
		if ((int)s[i].level == level &&
		    decision[i] == KFD_GPREEMPT_RESUME &&
		    kfd_gpreempt_has_work(&s[i]))
			decision[i] = KFD_GPREEMPT_KEEP;
	}

	for (; waiting && used < params->capacity; waiting--, used++) {
		q = longest(params, s, n, now_ns, level, KFD_GPREEMPT_HELD, 0,
			    decision);
		decision[q - s] = KFD_GPREEMPT_RESUME;
	}
}

/**
 * kfd_gpreempt_decide - decide about all queues of a device
 * @params: parameters of the device
 * @s: the queues, in any order; from the function: @level of each
 * @n: number of queues
 * @now_ns: the time of the samples, on the clock of their times
 * @decision: from the function: one for each queue
 *
 * Return: number of queues to be preempted for others, but not those whose turn
 * is over.
 */
unsigned int kfd_gpreempt_decide(const struct kfd_gpreempt_params *params,
				 struct kfd_gpreempt_sample *s,
				 unsigned int n, __u64 now_ns,
				 enum kfd_gpreempt_decision *decision)
{
	unsigned int i, victims = 0;
	struct view above;
	bool starts;
	int slice;

	slice = slice_level(params, s, n, now_ns, &starts);
	set_levels(params, s, n, now_ns, slice < 0);
	look_up(params, s, n, now_ns, slice, &above);

	for (i = 0; i < n; i++) {
		int level = s[i].level;
		/* Hardware would give a higher queue whatever becomes free */
		bool off = slice >= 0 && level > slice;
		/* What was started and got no room is to starve visibly */
		bool victim = kfd_gpreempt_has_work(&s[i]) ?
			      off || above.want[level] :
			      (s[i].flags & KFD_GPREEMPT_STARTED) &&
			      (off || above.work[level]);

		decision[i] = KFD_GPREEMPT_KEEP;

		if (s[i].flags & KFD_GPREEMPT_HELD) {
			if (starts && level == slice)
				decision[i] = KFD_GPREEMPT_RESUME_SLICE;
			else if (!off && above.may_resume[level])
				decision[i] = KFD_GPREEMPT_RESUME;
			continue;
		}

		if (victim && (s[i].flags & KFD_GPREEMPT_RUNS) &&
		    (s[i].flags & KFD_GPREEMPT_DISPLACEABLE) &&
		    !kfd_gpreempt_in_slice(params, &s[i], now_ns)) {
			decision[i] = KFD_GPREEMPT_PREEMPT;
			victims++;
		}
	}

	take_turns(params, s, n, now_ns, decision);

	return victims;
}
