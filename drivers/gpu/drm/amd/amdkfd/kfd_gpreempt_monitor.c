// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The monitor of GPREEMPT: one thread per device that samples the queues, asks
 * the policy, and has the mechanism carry out what it says, in one batch.
 *
 * It sleeps without a timer while there is nothing to be inverted: fewer than
 * two priorities among the queues that are active or held back by it. A queue
 * event ends that, see kfd_gpreempt_queue_event().
 *
 * Read and write pointers lie in memory of processes, which may be missing,
 * or be made to block. They are read without faulting, and without the DQM
 * lock: a process is represented by a reference to its mm alone, because the
 * last reference to a kfd_process must not be dropped here, while the module
 * may be unloading. A queue is found again by its id, never by its address.
 */

#include <linux/freezer.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/moduleparam.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <uapi/linux/kfd_ioctl.h>
#include "kfd_priv.h"
#include "kfd_device_queue_manager.h"
#include "kfd_gpreempt.h"
#include "amdgpu_reset.h"

static bool gpreempt;
module_param(gpreempt, bool, 0444);
MODULE_PARM_DESC(gpreempt,
		 "Preempt compute queues by priority (default: false). Can be changed for each device at run time.");

/* Steps of a batch when the monitor is switched off, many queues take turns */
#define RELEASE_BATCH	64

/*
 * A queue is quiet after so many looks without work. A dispatch that waits for
 * room can show waves later, without any move of a pointer: even then look at
 * its waves now and then.
 */
#define QUIET_LOOKS	4
#define RECHECK_LOOKS	16

/**
 * struct scan_queue - what a tick remembers of a queue besides the sample
 * @rptr_addr: where its read pointer is, in its process
 * @wptr_addr: where its write pointer is, in its process
 * @rptr: read pointer, 0 if it cannot be read
 * @wptr: write pointer, 0 if it cannot be read
 * @ring_bytes: size of its ring
 * @doorbell_off: its doorbell, by which the hardware knows it
 * @mm: index of its process in kfd_gpreempt_scan.mm
 * @idle: looks in a row without work and without a move of a pointer
 * @aql: it is an AQL queue
 */
struct scan_queue {
	void __user *rptr_addr;
	void __user *wptr_addr;
	u64 rptr;
	u64 wptr;
	u64 ring_bytes;
	u32 doorbell_off;
	u32 mm;
	u32 idle;
	bool aql;
};

/**
 * struct scan - one look at the queues of a device
 * @sample: what the policy sees, in the order of the DQM's lists
 * @queue: what else there is to know, in the same order
 * @n: number of queues
 * @counted: waves were counted
 * @sliced: a queue with work was spared because it had starved
 */
struct scan {
	struct kfd_gpreempt_sample *sample;
	struct scan_queue *queue;
	unsigned int n;
	bool counted;
	bool sliced;
};

/**
 * struct kfd_gpreempt_scan - the buffers of a monitor
 * @dqm: the device
 * @capacity: number of queues that there is room for
 * @now: the look of this tick
 * @prev: the look of the tick before
 * @mm: the processes of @now, NULL if one is gone
 * @num_mm: number of processes
 * @decision: what the policy says about @now
 * @step: what becomes of it
 * @occupancy: what one XCC says about its waves
 */
struct kfd_gpreempt_scan {
	struct device_queue_manager *dqm;
	unsigned int capacity;
	struct scan now;
	struct scan prev;
	struct mm_struct **mm;
	unsigned int num_mm;
	enum kfd_gpreempt_decision *decision;
	struct kfd_gpreempt_step *step;
	struct kfd_cu_occupancy occupancy[AMDGPU_MAX_QUEUES];
};

static void free_look(struct scan *look)
{
	kvfree(look->sample);
	kvfree(look->queue);
	memset(look, 0, sizeof(*look));
}

static void free_buffers(struct kfd_gpreempt_scan *scan)
{
	free_look(&scan->now);
	free_look(&scan->prev);
	kvfree(scan->mm);
	kvfree(scan->decision);
	kvfree(scan->step);
	scan->mm = NULL;
	scan->decision = NULL;
	scan->step = NULL;
	scan->capacity = 0;
}

static bool alloc_look(struct scan *look, unsigned int n)
{
	look->sample = kvcalloc(n, sizeof(*look->sample), GFP_KERNEL);
	look->queue = kvcalloc(n, sizeof(*look->queue), GFP_KERNEL);

	return look->sample && look->queue;
}

/* What was seen before is forgotten, which costs one look at the waves */
static int alloc_buffers(struct kfd_gpreempt_scan *scan, unsigned int n)
{
	n = roundup_pow_of_two(max(n, 16));

	free_buffers(scan);
	scan->mm = kvcalloc(n, sizeof(*scan->mm), GFP_KERNEL);
	scan->decision = kvcalloc(n, sizeof(*scan->decision), GFP_KERNEL);
	scan->step = kvcalloc(n, sizeof(*scan->step), GFP_KERNEL);
	if (!alloc_look(&scan->now, n) || !alloc_look(&scan->prev, n) ||
	    !scan->mm || !scan->decision || !scan->step) {
		free_buffers(scan);
		return -ENOMEM;
	}
	scan->capacity = n;

	return 0;
}

static bool is_held(const struct queue *q)
{
	return q->gpreempt.holders & KFD_GPREEMPT_HOLD_MONITOR;
}

static bool is_of_interest(const struct queue *q)
{
	return q->properties.type == KFD_QUEUE_TYPE_COMPUTE &&
	       (q->properties.is_active || is_held(q));
}

/* How many queues are there, and can there be an inversion at all? */
static unsigned int count_queues(struct device_queue_manager *dqm, bool *busy)
{
	struct device_process_node *cur;
	unsigned int n = 0;
	bool held = false;
	u32 levels = 0;
	struct queue *q;

	list_for_each_entry(cur, &dqm->queues, list) {
		list_for_each_entry(q, &cur->qpd->queues_list, list) {
			if (!is_of_interest(q))
				continue;
			n++;
			held |= is_held(q);
			/* CRIU restores whatever the image says */
			levels |= BIT(min_t(u32, q->properties.priority,
					    KFD_GPREEMPT_LEVELS - 1));
		}
	}
	*busy = held || hweight32(levels) > 1;

	return n;
}

static void look_at(struct device_queue_manager *dqm, struct queue *q,
		    struct kfd_gpreempt_sample *s, struct scan_queue *sq)
{
	memset(s, 0, sizeof(*s));
	memset(sq, 0, sizeof(*sq));

	s->id = q->gpreempt.id;
	s->since_ns = q->gpreempt.since_ns;
	s->priority = q->properties.priority;

	if (q->properties.is_active) {
		s->flags |= KFD_GPREEMPT_RUNS;
		if (!kfd_gpreempt_can_preempt(dqm, q))
			s->flags |= KFD_GPREEMPT_DISPLACEABLE;
		if (q->gpreempt.sliced)
			s->flags |= KFD_GPREEMPT_SLICE;
	} else {
		s->flags |= KFD_GPREEMPT_HELD;
		/* Would run if it were not for the monitor? */
		if (q->gpreempt.had_work &&
		    q->gpreempt.holders == KFD_GPREEMPT_HOLD_MONITOR)
			s->flags |= KFD_GPREEMPT_SAVED;
	}

	sq->rptr_addr = q->properties.read_ptr;
	sq->wptr_addr = q->properties.write_ptr;
	sq->ring_bytes = q->properties.queue_size;
	sq->doorbell_off = q->properties.doorbell_off;
	sq->aql = q->properties.format == KFD_QUEUE_FORMAT_AQL;
}

/*
 * Collect the queues, under the DQM lock. Returns -EAGAIN if there is nothing
 * to do until a queue event, with the monitor marked idle, or -ENOSPC if @need
 * queues do not fit.
 */
static int collect(struct kfd_gpreempt_scan *scan, unsigned int *need)
{
	struct device_queue_manager *dqm = scan->dqm;
	struct device_process_node *cur;
	struct scan *now = &scan->now;
	struct queue *q;
	bool busy;

	now->n = 0;
	now->counted = false;
	now->sliced = false;
	scan->num_mm = 0;

	*need = count_queues(dqm, &busy);
	if (!busy) {
		WRITE_ONCE(dqm->gpreempt.idle, true);
		return -EAGAIN;
	}
	if (*need > scan->capacity)
		return -ENOSPC;
	if (!kfd_gpreempt_ready(dqm))
		return 0;

	list_for_each_entry(cur, &dqm->queues, list) {
		struct kfd_process *p = cur->qpd->pqm->process;
		unsigned int first = now->n;

		list_for_each_entry(q, &cur->qpd->queues_list, list) {
			if (!is_of_interest(q))
				continue;
			look_at(dqm, q, &now->sample[now->n],
				&now->queue[now->n]);
			now->queue[now->n].mm = scan->num_mm;
			now->n++;
		}

		if (now->n != first) {
			struct mm_struct *mm = get_task_mm(p->lead_thread);

			/* Not that of a program that was executed since */
			if (mm && mm != READ_ONCE(p->mm)) {
				mmput_async(mm);
				mm = NULL;
			}
			scan->mm[scan->num_mm++] = mm;
		}
	}

	return 0;
}

static void read_pointers(struct scan_queue *sq)
{
	size_t size = sq->aql ? sizeof(u64) : sizeof(u32);
	u64 rptr = 0, wptr = 0;

	if (copy_from_user_nofault(&rptr, sq->rptr_addr, size) ||
	    copy_from_user_nofault(&wptr, sq->wptr_addr, size))
		return;

	sq->rptr = rptr;
	sq->wptr = wptr;
}

/* Visit each process once, and drop the references to them */
static void read_all_pointers(struct kfd_gpreempt_scan *scan)
{
	struct scan *now = &scan->now;
	unsigned int i = 0, m;

	for (m = 0; m < scan->num_mm; m++) {
		struct mm_struct *mm = scan->mm[m];

		if (mm)
			kthread_use_mm(mm);
		for (; i < now->n && now->queue[i].mm == m; i++)
			if (mm)
				read_pointers(&now->queue[i]);
		if (mm) {
			kthread_unuse_mm(mm);
			/* The last reference takes apart a whole process */
			mmput_async(mm);
		}
		scan->mm[m] = NULL;
	}
}

/* Queues keep their order as a rule */
static int find_id(const struct scan *look, u64 id, unsigned int hint)
{
	unsigned int i;

	if (hint < look->n && look->sample[hint].id == id)
		return hint;

	for (i = 0; i < look->n; i++)
		if (look->sample[i].id == id)
			return i;

	return -1;
}

/* Compare with the look before */
static void judge_moves(const struct scan *prev, int j,
			struct kfd_gpreempt_sample *s, struct scan_queue *sq)
{
	const struct kfd_gpreempt_sample *ps;
	const struct scan_queue *psq;

	if (j < 0) {
		/* New to the monitor, and so is what it may have started */
		if (sq->rptr)
			s->flags |= KFD_GPREEMPT_STARTED;
		return;
	}

	ps = &prev->sample[j];
	psq = &prev->queue[j];
	s->work_ns = ps->work_ns;

	/* A slice may be what it still waits for */
	if (sq->rptr != psq->rptr ||
	    ((ps->flags & KFD_GPREEMPT_STARTED) && prev->sliced))
		s->flags |= KFD_GPREEMPT_STARTED;

	if (!(ps->flags & KFD_GPREEMPT_RUNS) || ps->since_ns != s->since_ns ||
	    sq->rptr != psq->rptr || sq->wptr != psq->wptr ||
	    kfd_gpreempt_has_work(ps) ||
	    !(prev->counted || (ps->flags & KFD_GPREEMPT_QUIET)))
		return;

	sq->idle = psq->idle + 1;
	if (sq->idle >= QUIET_LOOKS && sq->idle % RECHECK_LOOKS)
		s->flags |= KFD_GPREEMPT_QUIET;
}

static void judge_pointers(struct kfd_gpreempt_scan *scan)
{
	struct scan *now = &scan->now;
	unsigned int i;

	for (i = 0; i < now->n; i++) {
		struct kfd_gpreempt_sample *s = &now->sample[i];
		struct scan_queue *sq = &now->queue[i];

		if (!(s->flags & (KFD_GPREEMPT_RUNS | KFD_GPREEMPT_SAVED)))
			continue;
		if (kfd_gpreempt_pending(sq->rptr, sq->wptr, sq->ring_bytes,
					 sq->aql))
			s->flags |= KFD_GPREEMPT_PENDING;
		if (s->flags & KFD_GPREEMPT_RUNS)
			judge_moves(&scan->prev,
				    find_id(&scan->prev, s->id, i), s, sq);
	}
}

static void count_waves(struct kfd_gpreempt_scan *scan)
{
	struct kfd_node *node = scan->dqm->dev;
	u32 xcc_mask = node->xcc_mask;
	struct scan *now = &scan->now;
	int xcc_id, max_waves;
	unsigned int i, j;

	if (!node->kfd2kgd->get_cu_occupancy ||
	    !down_read_trylock(&node->adev->reset_domain->sem))
		return;
	now->counted = true;

	for_each_inst(xcc_id, xcc_mask) {
		memset(scan->occupancy, 0, sizeof(scan->occupancy));
		node->kfd2kgd->get_cu_occupancy(node->adev, scan->occupancy,
						&max_waves, xcc_id);

		for (i = 0; i < ARRAY_SIZE(scan->occupancy); i++) {
			if (!scan->occupancy[i].wave_cnt)
				continue;
			for (j = 0; j < now->n; j++) {
				if (now->queue[j].doorbell_off !=
				    scan->occupancy[i].doorbell_off)
					continue;
				now->sample[j].waves +=
					scan->occupancy[i].wave_cnt;
				break;
			}
		}
	}

	up_read(&node->adev->reset_domain->sem);
}

/* Find the queues again that something is to be done with */
static unsigned int make_steps(struct kfd_gpreempt_scan *scan)
{
	struct device_queue_manager *dqm = scan->dqm;
	struct device_process_node *cur;
	unsigned int hint = 0, n = 0;
	struct queue *q;

	list_for_each_entry(cur, &dqm->queues, list) {
		list_for_each_entry(q, &cur->qpd->queues_list, list) {
			const struct kfd_gpreempt_sample *s;
			enum kfd_gpreempt_decision decision;
			struct kfd_gpreempt_step *step;
			bool preempt;
			int i;

			if (!is_of_interest(q))
				continue;

			i = find_id(&scan->now, q->gpreempt.id, hint);
			if (i < 0)
				continue;
			hint = i + 1;

			s = &scan->now.sample[i];
			decision = scan->decision[i];
			preempt = decision == KFD_GPREEMPT_PREEMPT;
			if (decision == KFD_GPREEMPT_KEEP ||
			    s->priority != q->properties.priority ||
			    preempt == is_held(q))
				continue;

			step = &scan->step[n++];
			memset(step, 0, sizeof(*step));
			step->q = q;
			step->holder = KFD_GPREEMPT_HOLD_MONITOR;
			step->preempt = preempt;
			step->slice = decision == KFD_GPREEMPT_RESUME_SLICE;
			step->had_work = true;
		}
	}

	return n;
}

/* Resume what the monitor holds, as far as the device allows it */
static int release_queues(struct device_queue_manager *dqm)
{
	struct kfd_gpreempt_step *steps;
	struct device_process_node *cur;
	unsigned int n, i, released;
	struct queue *q;
	int r = 0;

	steps = kcalloc(RELEASE_BATCH, sizeof(*steps), GFP_KERNEL);
	if (!steps)
		return -ENOMEM;

	do {
		n = 0;
		released = 0;

		dqm_lock(dqm);
		list_for_each_entry(cur, &dqm->queues, list) {
			list_for_each_entry(q, &cur->qpd->queues_list, list) {
				if (n == RELEASE_BATCH)
					break;
				if (!is_held(q))
					continue;
				steps[n].q = q;
				steps[n].holder = KFD_GPREEMPT_HOLD_MONITOR;
				n++;
			}
		}
		kfd_gpreempt_execute(dqm, steps, n);
		for (i = 0; i < n; i++) {
			if (!steps[i].err)
				released++;
			else if (!r)
				r = steps[i].err;
		}
		dqm_unlock(dqm);
	} while (n == RELEASE_BATCH && released);

	kfree(steps);

	return r;
}

/*
 * A device that fails to preempt or resume once will do so again, with the DQM
 * lock held for seconds each time. Leave it alone until somebody says so.
 */
static void give_up(struct device_queue_manager *dqm, int err)
{
	WRITE_ONCE(dqm->gpreempt.enabled, false);
	dev_err(dqm->dev->adev->dev,
		"GPREEMPT: node %u did not preempt or resume a queue (%d), priority preemption is off until it is enabled again\n",
		dqm->dev->node_id, err);
	release_queues(dqm);
}

static void act(struct kfd_gpreempt_scan *scan)
{
	struct device_queue_manager *dqm = scan->dqm;
	unsigned int i, n;
	int r = 0;

	dqm_lock(dqm);
	n = make_steps(scan);
	kfd_gpreempt_execute(dqm, scan->step, n);
	for (i = 0; i < n; i++)
		if (scan->step[i].err == -ETIME || scan->step[i].err == -EIO)
			r = scan->step[i].err;
	/* A reset or suspend got in between: no failure */
	if (r == -EIO && !kfd_gpreempt_ready(dqm))
		r = 0;
	dqm_unlock(dqm);

	if (r)
		give_up(dqm, r);
}

static void tick(struct kfd_gpreempt_scan *scan)
{
	struct device_queue_manager *dqm = scan->dqm;
	struct kfd_gpreempt *gp = &dqm->gpreempt;
	struct scan *now = &scan->now;
	unsigned int i, need;
	bool todo = false;
	u64 now_ns;
	int r;

	do {
		dqm_lock(dqm);
		r = collect(scan, &need);
		dqm_unlock(dqm);
	} while (r == -ENOSPC && !alloc_buffers(scan, need));
	if (r)
		return;

	WRITE_ONCE(gp->ticks, gp->ticks + 1);
	if (!now->n)
		return;

	read_all_pointers(scan);
	judge_pointers(scan);
	if (kfd_gpreempt_needs_waves(now->sample, now->n))
		count_waves(scan);

	now_ns = ktime_get_ns();
	for (i = 0; i < now->n; i++) {
		struct kfd_gpreempt_sample *s = &now->sample[i];

		if (!(s->flags & KFD_GPREEMPT_RUNS) ||
		    !kfd_gpreempt_has_work(s))
			continue;
		s->work_ns = now_ns;
		now->sliced |= s->flags & KFD_GPREEMPT_SLICE;
	}

	if (kfd_gpreempt_decide(&gp->params, now->sample, now->n, now_ns,
				scan->decision)) {
		WRITE_ONCE(gp->inversions, gp->inversions + 1);
		/* If that was for the sake of what was started, it was work */
		for (i = 0; i < now->n; i++)
			if (now->sample[i].flags & KFD_GPREEMPT_STARTED)
				now->sample[i].work_ns = now_ns;
	}

	for (i = 0; i < now->n; i++)
		todo |= scan->decision[i] != KFD_GPREEMPT_KEEP;
	if (todo)
		act(scan);

	swap(scan->now, scan->prev);
}

static int monitor(void *data)
{
	struct kfd_gpreempt_scan *scan = data;
	struct kfd_gpreempt *gp = &scan->dqm->gpreempt;

	set_freezable();

	while (!kthread_should_stop()) {
		if (!READ_ONCE(gp->enabled) || READ_ONCE(gp->idle)) {
			wait_event_freezable(gp->wait,
					     kthread_should_stop() ||
					     (READ_ONCE(gp->enabled) &&
					      !READ_ONCE(gp->idle)));
		} else {
			u64 us = READ_ONCE(gp->params.val[KFD_GPREEMPT_INTERVAL_US]);

			wait_event_interruptible_hrtimeout(gp->wait,
							   kthread_should_stop(),
							   ns_to_ktime(us * NSEC_PER_USEC));
			try_to_freeze();
		}

		if (!kthread_should_stop() && READ_ONCE(gp->enabled))
			tick(scan);
	}

	return 0;
}

/* Under gp->ctl */
static int start_monitor(struct device_queue_manager *dqm)
{
	struct kfd_gpreempt *gp = &dqm->gpreempt;
	struct kfd_gpreempt_scan *scan;
	struct task_struct *thread;

	if (!dqm->dev->kfd->cwsr_enabled)
		return -EOPNOTSUPP;

	if (!gp->thread) {
		scan = kvzalloc(sizeof(*scan), GFP_KERNEL);
		if (!scan)
			return -ENOMEM;
		scan->dqm = dqm;

		thread = kthread_create(monitor, scan, "kfd_gpreempt/%u",
					dqm->dev->node_id);
		if (IS_ERR(thread)) {
			kvfree(scan);
			return PTR_ERR(thread);
		}
		gp->scan = scan;
		gp->thread = thread;
	}

	WRITE_ONCE(gp->idle, false);
	WRITE_ONCE(gp->enabled, true);
	wake_up_process(gp->thread);

	return 0;
}

/* Under gp->ctl */
static void stop_monitor(struct device_queue_manager *dqm)
{
	struct kfd_gpreempt *gp = &dqm->gpreempt;

	WRITE_ONCE(gp->enabled, false);
	if (!gp->thread)
		return;

	kthread_stop(gp->thread);
	gp->thread = NULL;
	free_buffers(gp->scan);
	kvfree(gp->scan);
	gp->scan = NULL;
}

/**
 * kfd_gpreempt_init - prepare the monitor of a device
 * @dqm: the device, initialized
 *
 * Starts it if the module parameter says so.
 */
void kfd_gpreempt_init(struct device_queue_manager *dqm)
{
	struct kfd_gpreempt *gp = &dqm->gpreempt;
	int r;

	mutex_init(&gp->ctl);
	init_waitqueue_head(&gp->wait);
	kfd_gpreempt_params_init(&gp->params);

	if (!gpreempt)
		return;

	r = kfd_gpreempt_set_param(dqm, KFD_IOC_GPREEMPT_PARAM_ENABLE, 1);
	if (r)
		dev_warn(dqm->dev->adev->dev,
			 "GPREEMPT: no priority preemption on node %u (%d)\n",
			 dqm->dev->node_id, r);
}

/**
 * kfd_gpreempt_fini - stop the monitor of a device for good
 * @dqm: the device, before it is stopped
 */
void kfd_gpreempt_fini(struct device_queue_manager *dqm)
{
	mutex_lock(&dqm->gpreempt.ctl);
	stop_monitor(dqm);
	mutex_unlock(&dqm->gpreempt.ctl);
	mutex_destroy(&dqm->gpreempt.ctl);
}

/**
 * kfd_gpreempt_queue_event - a queue became active or changed
 * @dqm: its device
 *
 * Gets the monitor out of its sleep without timer. Costs nothing otherwise, so
 * that updates of queues do not make it look more often.
 *
 * Context: under the DQM lock.
 */
void kfd_gpreempt_queue_event(struct device_queue_manager *dqm)
{
	struct kfd_gpreempt *gp = &dqm->gpreempt;

	if (READ_ONCE(gp->idle)) {
		WRITE_ONCE(gp->idle, false);
		wake_up(&gp->wait);
	}
}

/**
 * kfd_gpreempt_get_param - read a parameter of a device
 * @dqm: the device
 * @param: KFD_IOC_GPREEMPT_PARAM_*
 * @value: from the function: its value, in the unit of its name
 *
 * Return: 0, or -EINVAL for a parameter that does not exist.
 */
int kfd_gpreempt_get_param(struct device_queue_manager *dqm, u32 param,
			   u64 *value)
{
	struct kfd_gpreempt *gp = &dqm->gpreempt;

	if (param == KFD_IOC_GPREEMPT_PARAM_ENABLE) {
		*value = READ_ONCE(gp->enabled);
		return 0;
	}

	param -= KFD_IOC_GPREEMPT_PARAM_INTERVAL_US;
	if (param >= KFD_GPREEMPT_NUM_PARAMS)
		return -EINVAL;

	*value = READ_ONCE(gp->params.val[param]);

	return 0;
}

/**
 * kfd_gpreempt_set_param - write a parameter of a device
 * @dqm: the device
 * @param: KFD_IOC_GPREEMPT_PARAM_*
 * @value: its new value, in the unit of its name
 *
 * When the monitor is switched off it resumes what it has preempted.
 *
 * Context: process context, not under the DQM lock; waits for the monitor.
 * Return: 0; -EINVAL for an unknown parameter or a value out of bounds;
 * -EOPNOTSUPP without CWSR; -ENOMEM; -EINTR or what a resume returned, with
 * the monitor off in any case.
 */
int kfd_gpreempt_set_param(struct device_queue_manager *dqm, u32 param,
			   u64 value)
{
	struct kfd_gpreempt *gp = &dqm->gpreempt;
	int r = 0;

	if (param != KFD_IOC_GPREEMPT_PARAM_ENABLE) {
		param -= KFD_IOC_GPREEMPT_PARAM_INTERVAL_US;
		if (!kfd_gpreempt_param_valid(param, value))
			return -EINVAL;

		WRITE_ONCE(gp->params.val[param], value);
		return 0;
	}

	if (value > 1)
		return -EINVAL;

	mutex_lock(&gp->ctl);
	if (value) {
		r = start_monitor(dqm);
	} else {
		stop_monitor(dqm);
		r = release_queues(dqm);
	}
	mutex_unlock(&gp->ctl);

	return r;
}
