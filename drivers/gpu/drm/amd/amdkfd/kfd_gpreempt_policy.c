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
 * What holds, as far as queues can be preempted at all:
 * - No queue that can use the device waits for a lower one longer than one
 *   interval (two, if the first look found nothing mapped) and one save, except
 *   during a slice.
 * - No queue stays preempted longer than the starvation limit, and the slices
 *   of levels that have waited longer.
 * - A queue that is blocked displaces nobody: a level that waits for a lower
 *   one holds it off for as long as it takes to see that, and not for ever.
 * - A queue is displaced at most once in a hold-off and an interval, and for
 *   lower levels at most once in the slice of each.
 */

#include "kfd_gpreempt_policy.h"

/* Sizes of packets, and of the unit that read and write pointer count in */
#define AQL_PACKET_BYTES	64
#define PM4_DWORD_BYTES		4

static const struct {
	__u64 min, max, def;
} limits[KFD_GPREEMPT_NUM_PARAMS] = {
	[KFD_GPREEMPT_INTERVAL_US]	= { 100, 1000000, 5000 },
	[KFD_GPREEMPT_HOLDOFF_US]	= { 0, 10000000, 10000 },
	[KFD_GPREEMPT_STARVATION_MS]	= { 10, 3600000, 1000 },
	[KFD_GPREEMPT_SLICE_US]		= { 100, 1000000, 10000 },
};

/**
 * kfd_gpreempt_params_init - set all parameters to their defaults
 * @params: the parameters
 */
void kfd_gpreempt_params_init(struct kfd_gpreempt_params *params)
{
	unsigned int i;

	for (i = 0; i < KFD_GPREEMPT_NUM_PARAMS; i++)
		params->val[i] = limits[i].def;
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
	return (unsigned int)param < KFD_GPREEMPT_NUM_PARAMS &&
	       value >= limits[param].min && value <= limits[param].max;
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

static unsigned int level_of(const struct kfd_gpreempt_sample *s)
{
	return s->priority < KFD_GPREEMPT_LEVELS ? s->priority :
						   KFD_GPREEMPT_LEVELS - 1;
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
	if (s->flags & KFD_GPREEMPT_HELD)
		return s->flags & KFD_GPREEMPT_SAVED;
	return s->waves != 0;
}

/**
 * kfd_gpreempt_needs_waves - can waves in flight make a difference?
 * @s: the queues, without @waves
 * @n: number of queues
 *
 * Counting waves costs hundreds of register accesses. They matter if a queue
 * may have work and another one below it runs, or is held back for it; also if
 * one that holds others back makes no progress. Only a queue's claim to have no
 * work is believed; a lower one could be made to look quiet by its owner, to
 * stay where it is.
 *
 * Return: true if the waves have to be counted for a decision.
 */
bool kfd_gpreempt_needs_waves(const struct kfd_gpreempt_sample *s,
			      unsigned int n)
{
	int runs = KFD_GPREEMPT_LEVELS, held = KFD_GPREEMPT_LEVELS;
	int work = -1, maybe = -1, back = -1;
	unsigned int i;

	for (i = 0; i < n; i++) {
		int level = level_of(&s[i]);

		if (s[i].flags & KFD_GPREEMPT_HELD) {
			if (level < held)
				held = level;
			if (level > back)
				back = level;
		} else if (s[i].flags & KFD_GPREEMPT_RUNS) {
			if (level < runs)
				runs = level;
			if (!kfd_gpreempt_has_work(&s[i])) {
				if (!(s[i].flags & KFD_GPREEMPT_QUIET) &&
				    level > maybe)
					maybe = level;
				continue;
			}
			if (level > work)
				work = level;
			if ((s[i].flags & KFD_GPREEMPT_STALLED) &&
			    level > maybe)
				maybe = level;
		}
	}

	/*
	 * Work above that goes on suffices to keep what is held where it is.
	 * Held back for a slice below, it is back when that ends.
	 */
	return runs < work || runs < maybe || runs < back || held < maybe;
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
	__u64 holdoff_ns = params->val[KFD_GPREEMPT_HOLDOFF_US] * 1000;
	bool started[KFD_GPREEMPT_LEVELS] = { false };
	bool runs[KFD_GPREEMPT_LEVELS] = { false };
	bool held[KFD_GPREEMPT_LEVELS] = { false };
	__u64 work_ns[KFD_GPREEMPT_LEVELS] = { 0 };
	bool work = false, want = false;
	__u64 last_ns = 0;
	unsigned int i;
	int level;

	for (i = 0; i < n; i++) {
		level = level_of(&s[i]);

		if (s[i].flags & KFD_GPREEMPT_HELD) {
			held[level] |= kfd_gpreempt_has_work(&s[i]);
		} else if (s[i].flags & KFD_GPREEMPT_RUNS) {
			runs[level] |= kfd_gpreempt_has_work(&s[i]);
			started[level] |= s[i].flags & KFD_GPREEMPT_STARTED;
			if (s[i].work_ns > work_ns[level])
				work_ns[level] = s[i].work_ns;
		}
	}

	for (level = KFD_GPREEMPT_LEVELS - 1; level >= 0; level--) {
		above->work[level] = work;
		above->want[level] = want;
		above->may_resume[level] = !work &&
					   (!last_ns ||
					    now_ns - last_ns >= holdoff_ns);

		/* What is resumed now is in the way of those below at once */
		work |= runs[level] || level == slice ||
			(above->may_resume[level] && held[level]);
		want |= work || started[level];
		if (work_ns[level] > last_ns)
			last_ns = work_ns[level];
	}
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

/* The next look would come too late */
static bool starves(const struct kfd_gpreempt_params *params,
		    const struct kfd_gpreempt_sample *s, __u64 now_ns)
{
	__u64 limit_ns = params->val[KFD_GPREEMPT_STARVATION_MS] * 1000000;
	__u64 interval_ns = params->val[KFD_GPREEMPT_INTERVAL_US] * 1000;

	return (s->flags & KFD_GPREEMPT_HELD) &&
	       now_ns - s->since_ns + interval_ns > limit_ns;
}

/*
 * Only one level can have a slice at a time, or the higher one would take it
 * all. Next is the one that has waited longest. All of its queues start
 * together: if they did one after the other, nothing would be left for others.
 */
static int slice_level(const struct kfd_gpreempt_params *params,
		       const struct kfd_gpreempt_sample *s, unsigned int n,
		       __u64 now_ns, bool *starts)
{
	const struct kfd_gpreempt_sample *next = NULL;
	unsigned int i;

	*starts = false;
	for (i = 0; i < n; i++) {
		if (kfd_gpreempt_in_slice(params, &s[i], now_ns))
			return level_of(&s[i]);
		if (starves(params, &s[i], now_ns) &&
		    (!next || s[i].since_ns < next->since_ns))
			next = &s[i];
	}

	*starts = next;

	return next ? (int)level_of(next) : -1;
}

/**
 * kfd_gpreempt_decide - decide about all queues of a device
 * @params: parameters of the device
 * @s: the queues, in any order
 * @n: number of queues
 * @now_ns: the time of the samples, on the clock of their times
 * @decision: from the function: one for each queue
 *
 * Return: number of queues to be preempted.
 */
unsigned int kfd_gpreempt_decide(const struct kfd_gpreempt_params *params,
				 const struct kfd_gpreempt_sample *s,
				 unsigned int n, __u64 now_ns,
				 enum kfd_gpreempt_decision *decision)
{
	unsigned int i, victims = 0;
	struct view above;
	bool starts;
	int slice;

	slice = slice_level(params, s, n, now_ns, &starts);
	look_up(params, s, n, now_ns, slice, &above);

	for (i = 0; i < n; i++) {
		int level = level_of(&s[i]);
		/* Hardware would give a higher queue whatever becomes free */
		bool off = slice >= 0 && level > slice;

		decision[i] = KFD_GPREEMPT_KEEP;

		if (s[i].flags & KFD_GPREEMPT_HELD) {
			if (!off && above.may_resume[level])
				decision[i] = KFD_GPREEMPT_RESUME;
			else if (starts && level == slice)
				decision[i] = KFD_GPREEMPT_RESUME_SLICE;
			continue;
		}

		if ((off || above.want[level]) &&
		    (s[i].flags & KFD_GPREEMPT_RUNS) &&
		    (s[i].flags & KFD_GPREEMPT_DISPLACEABLE) &&
		    kfd_gpreempt_has_work(&s[i]) &&
		    !kfd_gpreempt_in_slice(params, &s[i], now_ns)) {
			decision[i] = KFD_GPREEMPT_PREEMPT;
			victims++;
		}
	}

	return victims;
}
