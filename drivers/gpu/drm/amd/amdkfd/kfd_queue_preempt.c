// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The mechanism of GPREEMPT: take user compute queues off the hardware with
 * their waves saved, keep a snapshot, put them back.
 *
 * ACTIVE -> PREEMPTING -> PREEMPTED -> RESUMING -> ACTIVE, under the DQM lock.
 * properties.is_preempted is part of QUEUE_IS_ACTIVE(), so eviction, update,
 * suspend and the runlist leave a preempted queue where it is.
 *
 * A preemption takes the queue off, makes sure that it went, and copies the
 * MQDs and control stacks of all XCCs then: it is the save that fills them. A
 * resume writes them back, brings them up to date with the properties, which
 * may have changed meanwhile, and maps the queue. The ring, its pointers and
 * the doorbell belong to the process and are not touched.
 *
 * A queue that is not mapped for another reason (evicted, suspended, disabled)
 * has its state in memory already, and is preempted without the hardware. It
 * comes back when neither reason is left.
 */

#include <linux/capability.h>
#include <linux/nospec.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <drm/drm_drv.h>
#include <uapi/linux/kfd_ioctl.h>
#include "kfd_priv.h"
#include "kfd_device_queue_manager.h"
#include "kfd_mqd_manager.h"
#include "kfd_gpreempt.h"
#include "amdgpu_reset.h"

/**
 * struct kfd_preempt_ops - how one scheduling mode moves queues
 * @off: take the queues of all steps with @hw that preempt off the hardware.
 *	Sets the err of a step whose queue is still there, as a whole. An error
 *	is returned if it concerns all steps; nothing has changed then.
 * @on: put the queues of all steps with @hw that resume back, with MQD and
 *	accounting ready. Sets the err of a step whose queue is not there; its
 *	MQD says what has to be put back later. An error is returned if it
 *	concerns all steps.
 */
struct kfd_preempt_ops {
	int (*off)(struct device_queue_manager *dqm,
		   struct kfd_gpreempt_step *steps, unsigned int n);
	int (*on)(struct device_queue_manager *dqm,
		  struct kfd_gpreempt_step *steps, unsigned int n);
};

static struct mqd_manager *cp_mqd_mgr(struct device_queue_manager *dqm)
{
	return dqm->mqd_mgrs[KFD_MQD_TYPE_CP];
}

/* Has the hardware to be touched for this step, still? */
static bool is_todo(const struct kfd_gpreempt_step *step, bool preempt)
{
	return step->hw && !step->err && step->preempt == preempt;
}

/* HWS: the firmware changes all queues of a device at once */

static int off_hws(struct device_queue_manager *dqm,
		   struct kfd_gpreempt_step *steps, unsigned int n)
{
	unsigned int i;
	int r;

	r = kfd_dqm_unmap_runlist(dqm);
	if (r)
		return r;

	/*
	 * A queue that does not answer is reset on the way, if the hardware
	 * can. It is not active any more, and there is nothing to save.
	 */
	for (i = 0; i < n; i++)
		if (is_todo(&steps[i], true) &&
		    !steps[i].q->properties.is_active)
			steps[i].err = -ETIME;

	return 0;
}

static int on_hws(struct device_queue_manager *dqm,
		  struct kfd_gpreempt_step *steps, unsigned int n)
{
	return kfd_dqm_map_runlist(dqm);
}

static const struct kfd_preempt_ops ops_hws = {
	.off = off_hws,
	.on = on_hws,
};

/* No HWS: the driver knows the HQD of each queue */

static int load_queue(struct device_queue_manager *dqm, struct queue *q)
{
	struct mqd_manager *mqd_mgr = cp_mqd_mgr(dqm);
	struct mm_struct *mm;
	int r;

	mm = get_task_mm(q->process->lead_thread);
	if (!mm)
		return -ESRCH;

	r = mqd_mgr->load_mqd(mqd_mgr, q->mqd, q->pipe, q->queue,
			      &q->properties, mm);

	/* The last reference calls MMU notifiers, which take the DQM lock */
	mmput_async(mm);

	return r;
}

static int save_queue(struct device_queue_manager *dqm, struct queue *q)
{
	struct mqd_manager *mqd_mgr = cp_mqd_mgr(dqm);

	return mqd_mgr->destroy_mqd(mqd_mgr, q->mqd,
				    KFD_PREEMPT_TYPE_WAVEFRONT_SAVE,
				    KFD_UNMAP_LATENCY_MS, q->pipe, q->queue);
}

/*
 * Some XCCs have let go of the queue and one has not. Give them their part
 * back.
 */
static void reload_queue(struct device_queue_manager *dqm, struct queue *q)
{
	const struct kfd2kgd_calls *kgd = dqm->dev->kfd2kgd;
	struct mqd_manager *mqd_mgr = cp_mqd_mgr(dqm);
	u64 stride = mqd_mgr->mqd_stride(mqd_mgr, &q->properties);
	u32 wptr_shift = q->properties.format == KFD_QUEUE_FORMAT_AQL ? 4 : 0;
	u32 xcc_mask = dqm->dev->xcc_mask;
	void *xcc_mqd = q->mqd;
	struct mm_struct *mm;
	int xcc_id;

	mm = get_task_mm(q->process->lead_thread);
	if (!mm)
		return;

	for_each_inst(xcc_id, xcc_mask) {
		if (!kgd->hqd_is_occupied(dqm->dev->adev,
					  q->properties.queue_address,
					  q->pipe, q->queue, xcc_id))
			kgd->hqd_load(dqm->dev->adev, xcc_mqd, q->pipe,
				      q->queue, q->properties.write_ptr,
				      wptr_shift, 0, mm, xcc_id);
		xcc_mqd += stride;
	}

	mmput_async(mm);
}

static int drain_queue(struct device_queue_manager *dqm, struct queue *q,
		       u32 timeout_ms)
{
	struct mqd_manager *mqd_mgr = cp_mqd_mgr(dqm);
	int r;

	r = mqd_mgr->destroy_mqd(mqd_mgr, q->mqd,
				 KFD_PREEMPT_TYPE_WAVEFRONT_DRAIN,
				 timeout_ms, q->pipe, q->queue);
	if (r != -ETIME)
		return r;

	/*
	 * The request cannot be withdrawn: the queue would leave whenever its
	 * waves end. Save what is left, so that it can be put back.
	 */
	save_queue(dqm, q);

	return r;
}

static int off_nohws(struct device_queue_manager *dqm,
		     struct kfd_gpreempt_step *steps, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		struct kfd_gpreempt_step *step = &steps[i];

		if (!is_todo(step, true))
			continue;

		if (step->drain_ms)
			step->err = drain_queue(dqm, step->q, step->drain_ms);
		else
			step->err = save_queue(dqm, step->q);
		if (step->err)
			reload_queue(dqm, step->q);
	}

	return 0;
}

static int on_nohws(struct device_queue_manager *dqm,
		    struct kfd_gpreempt_step *steps, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		struct kfd_gpreempt_step *step = &steps[i];

		if (!is_todo(step, false))
			continue;

		step->err = load_queue(dqm, step->q);
		if (step->err && step->err != -ESRCH)
			/* The XCCs before the one that failed have it */
			save_queue(dqm, step->q);
	}

	return 0;
}

static const struct kfd_preempt_ops ops_nohws = {
	.off = off_nohws,
	.on = on_nohws,
};

/* MES: the firmware takes and gives back one queue at a time */

static int off_mes(struct device_queue_manager *dqm,
		   struct kfd_gpreempt_step *steps, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (is_todo(&steps[i], true))
			steps[i].err = kfd_dqm_map_queue_mes(dqm, steps[i].q,
							     false);

	return 0;
}

static int on_mes(struct device_queue_manager *dqm,
		  struct kfd_gpreempt_step *steps, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (is_todo(&steps[i], false))
			steps[i].err = kfd_dqm_map_queue_mes(dqm, steps[i].q,
							     true);

	return 0;
}

static const struct kfd_preempt_ops ops_mes = {
	.off = off_mes,
	.on = on_mes,
};

static const struct kfd_preempt_ops *get_ops(struct device_queue_manager *dqm)
{
	if (dqm->sched_policy == KFD_SCHED_POLICY_NO_HWS)
		return &ops_nohws;

	return dqm->dev->kfd->shared_resources.enable_mes ? &ops_mes : &ops_hws;
}

/**
 * kfd_gpreempt_queue_init - prepare a queue to be preempted some day
 * @q: a new queue, with properties and device
 *
 * Allocates the snapshot here because none may be allocated under the DQM
 * lock. A queue that cannot be preempted, or for which there is no memory, is
 * left without, and works like any other.
 *
 * Context: process context, not under the DQM lock.
 */
void kfd_gpreempt_queue_init(struct queue *q)
{
	struct kfd_queue_snapshot *snapshot = &q->gpreempt.snapshot;
	struct mqd_manager *mqd_mgr = cp_mqd_mgr(q->device->dqm);
	static atomic64_t last_id;
	size_t mqd_size, ctl_stack_size = 0;

	q->gpreempt.id = atomic64_inc_return(&last_id);

	if (q->properties.type != KFD_QUEUE_TYPE_COMPUTE ||
	    !KFD_IS_SOC15(q->device) || !q->device->kfd->cwsr_enabled ||
	    !q->properties.ctx_save_restore_area_address ||
	    !mqd_mgr->checkpoint_mqd || !mqd_mgr->restore_mqd)
		return;

	mqd_size = mqd_size_from_queue_type(q->device->dqm, q->properties.type);
	if (mqd_mgr->get_checkpoint_info)
		ctl_stack_size = (size_t)PAGE_ALIGN(q->device->ctl_stack_size) *
				 NUM_XCC(q->device->xcc_mask);

	snapshot->mqd_backup = kvzalloc(mqd_size + ctl_stack_size, GFP_KERNEL);
	if (!snapshot->mqd_backup)
		return;
	snapshot->ctl_stack_backup = snapshot->mqd_backup + mqd_size;
	snapshot->ctl_stack_capacity = ctl_stack_size;
}

/**
 * kfd_gpreempt_queue_uninit - free what kfd_gpreempt_queue_init() allocated
 * @q: a queue that no list holds any more
 */
void kfd_gpreempt_queue_uninit(struct queue *q)
{
	kvfree(q->gpreempt.snapshot.mqd_backup);
}

/* The queue must be off the hardware */
static int take_snapshot(struct device_queue_manager *dqm, struct queue *q)
{
	struct kfd_queue_snapshot *snapshot = &q->gpreempt.snapshot;
	struct mqd_manager *mqd_mgr = cp_mqd_mgr(dqm);
	u32 ctl_stack_size = 0;

	if (mqd_mgr->get_checkpoint_info)
		mqd_mgr->get_checkpoint_info(mqd_mgr, q->mqd, &ctl_stack_size);
	if (WARN_ON_ONCE(ctl_stack_size > snapshot->ctl_stack_capacity))
		return -EIO;

	mqd_mgr->checkpoint_mqd(mqd_mgr, q->mqd, snapshot->mqd_backup,
				snapshot->ctl_stack_backup);
	snapshot->ctl_stack_size = ctl_stack_size;
	snapshot->valid = true;

	return 0;
}

/**
 * kfd_gpreempt_queue_updated - the driver has changed the MQD of a queue
 * @dqm: the device
 * @q: the queue
 *
 * What update_mqd() got besides the properties (the CU mask, GWS) is in the
 * MQD alone. Take it over, for a resume starts from the snapshot.
 *
 * Context: under the DQM lock.
 */
void kfd_gpreempt_queue_updated(struct device_queue_manager *dqm,
				struct queue *q)
{
	if (q->properties.is_preempted)
		take_snapshot(dqm, q);

	kfd_gpreempt_queue_event(dqm);
}

static bool is_active_but_for_preemption(const struct queue *q)
{
	struct queue_properties p = q->properties;

	p.is_preempted = false;

	return QUEUE_IS_ACTIVE(p);
}

/* MQD, properties and accounting of a queue that is off the hardware */

static int mark_preempted(struct device_queue_manager *dqm, struct queue *q)
{
	int r;

	r = take_snapshot(dqm, q);
	if (r)
		return r;

	q->properties.is_preempted = true;
	if (q->properties.is_active) {
		q->properties.is_active = false;
		kfd_dqm_count_queue(dqm, q, false);
	}

	return 0;
}

static void mark_resumed(struct device_queue_manager *dqm, struct queue *q)
{
	struct kfd_queue_snapshot *snapshot = &q->gpreempt.snapshot;
	struct mqd_manager *mqd_mgr = cp_mqd_mgr(dqm);

	mqd_mgr->restore_mqd(mqd_mgr, &q->mqd, q->mqd_mem_obj,
			     &q->gart_mqd_addr, &q->properties,
			     snapshot->mqd_backup, snapshot->ctl_stack_backup,
			     snapshot->ctl_stack_size);
	snapshot->valid = false;
	q->properties.is_preempted = false;

	/* Also recomputes is_active */
	mqd_mgr->update_mqd(mqd_mgr, q->mqd, &q->properties, NULL);
	if (q->properties.is_active)
		kfd_dqm_count_queue(dqm, q, true);
}

/**
 * kfd_gpreempt_ready - can queues of a device be moved now?
 * @dqm: the device
 *
 * Context: under the DQM lock.
 * Return: false while it is suspended, in reset, hung or gone.
 */
bool kfd_gpreempt_ready(struct device_queue_manager *dqm)
{
	struct amdgpu_device *adev = dqm->dev->adev;

	if (!dqm->sched_running || dqm->is_hws_hang ||
	    drm_dev_is_unplugged(adev_to_drm(adev)))
		return false;

	/* MES has no runlist that would come back when it is unhalted */
	if (dqm->sched_halt && dqm->dev->kfd->shared_resources.enable_mes)
		return false;

	if (!down_read_trylock(&adev->reset_domain->sem))
		return false;
	up_read(&adev->reset_domain->sem);

	return true;
}

/**
 * kfd_gpreempt_can_preempt - could this queue be preempted?
 * @dqm: the device
 * @q: one of its queues
 *
 * Context: under the DQM lock.
 * Return: 0, -EOPNOTSUPP for one that never can, -EBUSY for one that is being
 * destroyed, -EIO for one that was reset.
 */
int kfd_gpreempt_can_preempt(struct device_queue_manager *dqm,
			     struct queue *q)
{
	struct kfd_process_device *pdd;

	if (q->properties.type != KFD_QUEUE_TYPE_COMPUTE ||
	    q->properties.is_gws || q->gws ||
	    !q->gpreempt.snapshot.mqd_backup)
		return -EOPNOTSUPP;

	if (q->properties.is_being_destroyed)
		return -EBUSY;

	pdd = kfd_get_process_device_data(q->device, q->process);
	if (!pdd || pdd->has_reset_queue)
		return -EIO;

	/* Inactive for no reason: a reset took it off, without a save */
	if (!q->properties.is_active && QUEUE_IS_ACTIVE(q->properties))
		return -EIO;

	return 0;
}

/* Does this step need more than a change of holders? */
static bool prepare(struct device_queue_manager *dqm,
		    struct kfd_gpreempt_step *step)
{
	struct queue *q = step->q;

	step->hw = false;
	step->err = 0;

	if (step->preempt) {
		if (q->properties.is_preempted) {
			q->gpreempt.holders |= step->holder;
			return false;
		}

		step->err = kfd_gpreempt_can_preempt(dqm, q);
		if (step->err)
			return false;

		step->hw = q->properties.is_active;
		q->gpreempt.state = KFD_GPREEMPT_STATE_PREEMPTING;
	} else {
		if (!(q->gpreempt.holders & step->holder))
			return false;

		if (q->properties.is_being_destroyed) {
			step->err = -EBUSY;
			return false;
		}

		if (q->gpreempt.holders != step->holder) {
			q->gpreempt.holders &= ~step->holder;
			return false;
		}

		step->hw = is_active_but_for_preemption(q);
		q->gpreempt.state = KFD_GPREEMPT_STATE_RESUMING;
	}

	return true;
}

/* A step has come to its end, this way or that */
static void finish(struct device_queue_manager *dqm,
		   struct kfd_gpreempt_step *step)
{
	struct queue *q = step->q;

	q->gpreempt.state = q->properties.is_preempted ?
			    KFD_GPREEMPT_STATE_PREEMPTED :
			    KFD_GPREEMPT_STATE_ACTIVE;
	if (step->err)
		return;

	q->gpreempt.since_ns = ktime_get_ns();
	if (step->preempt) {
		q->gpreempt.holders = step->holder;
		q->gpreempt.had_work = step->had_work;
		q->gpreempt.sliced = false;
		q->gpreempt.preemptions++;
		dqm->gpreempt.preemptions++;
	} else {
		q->gpreempt.holders = 0;
		q->gpreempt.sliced = step->slice;
		dqm->gpreempt.resumes++;
	}
}

/*
 * The map failed, so nothing of this device is on the hardware. Let all queues
 * be what they were before, which may need less of whatever was missing.
 */
static void roll_back(struct device_queue_manager *dqm,
		      struct kfd_gpreempt_step *steps, unsigned int n, int err)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (!steps[i].hw || steps[i].err)
			continue;

		if (steps[i].preempt)
			mark_resumed(dqm, steps[i].q);
		else
			mark_preempted(dqm, steps[i].q);
		steps[i].err = err;
	}
}

static int move_queues(struct device_queue_manager *dqm,
		       struct kfd_gpreempt_step *steps, unsigned int n, bool hw)
{
	const struct kfd_preempt_ops *ops = get_ops(dqm);
	unsigned int i;
	int r;

	if (hw) {
		r = ops->off(dqm, steps, n);
		if (r)
			return r;
	}

	for (i = 0; i < n; i++) {
		if (!steps[i].todo || steps[i].err)
			continue;

		if (steps[i].preempt)
			steps[i].err = mark_preempted(dqm, steps[i].q);
		else
			mark_resumed(dqm, steps[i].q);
	}

	if (!hw)
		return 0;

	r = ops->on(dqm, steps, n);
	if (r) {
		roll_back(dqm, steps, n, r);
		ops->on(dqm, steps, n);
		return r;
	}

	for (i = 0; i < n; i++)
		if (steps[i].hw && !steps[i].preempt && steps[i].err)
			mark_preempted(dqm, steps[i].q);

	return 0;
}

/**
 * kfd_gpreempt_execute - preempt and resume queues in one go
 * @dqm: the device
 * @steps: what to do; no queue twice
 * @n: number of steps
 *
 * With HWS this is one unmap and one map, for any number of queues. Each step
 * succeeds or fails for itself: whatever happens, a queue is either as active
 * as it was, or preempted with a valid snapshot. Preempting a preempted queue
 * adds a holder; resuming one takes a holder away, and the queue comes back
 * when there is none left.
 *
 * Context: process context, under the DQM lock.
 * Return: 0, or an error that concerns all steps: -EIO if the device is not in
 * a state to move queues, -ETIME if it did not answer. It is then the err of
 * each step that needed anything. A step can also have -EOPNOTSUPP, -EBUSY, or
 * -ESRCH if its process is gone.
 */
int kfd_gpreempt_execute(struct device_queue_manager *dqm,
			 struct kfd_gpreempt_step *steps, unsigned int n)
{
	struct amdgpu_device *adev = dqm->dev->adev;
	bool todo = false, hw = false;
	unsigned int i;
	int r = -EIO;

	for (i = 0; i < n; i++) {
		steps[i].todo = prepare(dqm, &steps[i]);
		todo |= steps[i].todo;
		hw |= steps[i].hw;
	}
	if (!todo)
		return 0;

	/* No reset between unmap and map */
	if (kfd_gpreempt_ready(dqm) &&
	    down_read_trylock(&adev->reset_domain->sem)) {
		r = move_queues(dqm, steps, n, hw);
		up_read(&adev->reset_domain->sem);
	}

	for (i = 0; i < n; i++) {
		if (!steps[i].todo)
			continue;
		if (r && !steps[i].err)
			steps[i].err = r;
		finish(dqm, &steps[i]);
	}

	return r;
}

static int move_queue(struct queue *q, struct kfd_gpreempt_step *step)
{
	struct device_queue_manager *dqm = q->device->dqm;

	step->q = q;
	kfd_gpreempt_execute(dqm, step, 1);

	return step->err;
}

/* Threads of the caller are the caller; others are for a later day */
static int check_pid(u32 pid)
{
	struct pid *ref;
	int r = 0;

	if (!pid || pid == task_tgid_vnr(current))
		return 0;

	rcu_read_lock();
	ref = find_vpid(pid);
	r = ref && pid_task(ref, PIDTYPE_TGID) ? -EOPNOTSUPP : -ESRCH;
	rcu_read_unlock();

	return r;
}

/* A program for a longer struct may rely on what this kernel ignores */
static int check_tail(void *kdata, unsigned int usize, size_t size)
{
	if (usize > size && memchr_inv(kdata + size, 0, usize - size))
		return -EINVAL;

	return 0;
}

static int preempt_queue_validate(void *kdata, unsigned int usize)
{
	struct kfd_ioctl_preempt_queue_args *args = kdata;

	if (args->preempt_type != KFD_IOC_PREEMPT_WAVEFRONT_SAVE &&
	    args->preempt_type != KFD_IOC_PREEMPT_WAVEFRONT_DRAIN)
		return -EINVAL;

	return check_tail(kdata, usize, sizeof(*args));
}

static int preempt_queue(struct file *filep, struct kfd_process *p, void *data)
{
	struct kfd_ioctl_preempt_queue_args *args = data;
	struct kfd_gpreempt_step step = {
		.preempt = true,
		.holder = KFD_GPREEMPT_HOLD_IOCTL,
		.had_work = true,
	};
	bool drain = args->preempt_type == KFD_IOC_PREEMPT_WAVEFRONT_DRAIN;
	struct device_queue_manager *dqm;
	struct queue *q;
	int r;

	r = check_pid(args->pid);
	if (r)
		return r;

	if (drain)
		step.drain_ms = clamp_t(u32, args->timeout_ms ?:
					KFD_UNMAP_LATENCY_MS, 1,
					max(queue_preemption_timeout_ms, 1));

	mutex_lock(&p->mutex);

	q = pqm_get_user_queue(&p->pqm, args->queue_id);
	if (!q) {
		r = -EINVAL;
		goto out;
	}
	dqm = q->device->dqm;

	if (q->properties.type != KFD_QUEUE_TYPE_COMPUTE ||
	    (drain && dqm->sched_policy != KFD_SCHED_POLICY_NO_HWS)) {
		r = -EOPNOTSUPP;
		goto out;
	}

	dqm_lock(dqm);
	if (q->properties.is_being_destroyed)
		r = -EBUSY;
	else
		r = move_queue(q, &step);
	if (!r)
		q->gpreempt.file = filep;
	dqm_unlock(dqm);
out:
	mutex_unlock(&p->mutex);

	return r;
}

static int resume_queue_validate(void *kdata, unsigned int usize)
{
	struct kfd_ioctl_resume_queue_args *args = kdata;

	if (args->pad)
		return -EINVAL;

	return check_tail(kdata, usize, sizeof(*args));
}

static int resume_queue(struct file *filep, struct kfd_process *p, void *data)
{
	struct kfd_ioctl_resume_queue_args *args = data;
	struct kfd_gpreempt_step step = {
		.holder = KFD_GPREEMPT_HOLD_IOCTL,
	};
	struct device_queue_manager *dqm;
	struct queue *q;
	int r;

	r = check_pid(args->pid);
	if (r)
		return r;

	mutex_lock(&p->mutex);

	q = pqm_get_user_queue(&p->pqm, args->queue_id);
	if (!q) {
		r = -EINVAL;
		goto out;
	}
	dqm = q->device->dqm;

	if (q->properties.type != KFD_QUEUE_TYPE_COMPUTE ||
	    !q->gpreempt.snapshot.mqd_backup) {
		r = -EOPNOTSUPP;
		goto out;
	}

	dqm_lock(dqm);
	if (q->properties.is_being_destroyed)
		r = -EBUSY;
	else if (q->gpreempt.holders == KFD_GPREEMPT_HOLD_MONITOR)
		/* It would be back before the next request of a higher queue */
		r = -EBUSY;
	else
		r = move_queue(q, &step);
	dqm_unlock(dqm);
out:
	mutex_unlock(&p->mutex);

	return r;
}

/**
 * kfd_gpreempt_close - a file of /dev/kfd is closed
 * @p: its process, with a reference
 * @file: the file
 *
 * Resumes what was preempted on it. A process that is going away keeps its
 * queues where they are until they are destroyed.
 */
void kfd_gpreempt_close(struct kfd_process *p, const struct file *file)
{
	struct kfd_gpreempt_step step = {
		.holder = KFD_GPREEMPT_HOLD_IOCTL,
	};
	struct process_queue_node *pqn;

	if (!READ_ONCE(p->mm))
		return;

	mutex_lock(&p->mutex);
	list_for_each_entry(pqn, &p->pqm.queues, process_queue_list) {
		struct queue *q = pqn->q;

		if (!q)
			continue;

		dqm_lock(q->device->dqm);
		if ((q->gpreempt.holders & KFD_GPREEMPT_HOLD_IOCTL) &&
		    q->gpreempt.file == file && move_queue(q, &step))
			pr_debug("Failed to resume queue %u on close (%d)\n",
				 q->properties.queue_id, step.err);
		dqm_unlock(q->device->dqm);
	}
	mutex_unlock(&p->mutex);
}

static int gpreempt_validate(void *kdata, unsigned int usize)
{
	struct kfd_ioctl_gpreempt_args *args = kdata;

	switch (args->op) {
	case KFD_IOC_GPREEMPT_OP_QUERY:
		if (args->param || args->value)
			return -EINVAL;
		break;
	case KFD_IOC_GPREEMPT_OP_GET:
	case KFD_IOC_GPREEMPT_OP_SET:
		if (args->queue_id)
			return -EINVAL;
		break;
	default:
		return -EINVAL;
	}

	return check_tail(kdata, usize, sizeof(*args));
}

static_assert((int)KFD_GPREEMPT_STATE_ACTIVE == KFD_IOC_GPREEMPT_QUEUE_ACTIVE);
static_assert((int)KFD_GPREEMPT_STATE_PREEMPTING ==
	      KFD_IOC_GPREEMPT_QUEUE_PREEMPTING);
static_assert((int)KFD_GPREEMPT_STATE_PREEMPTED ==
	      KFD_IOC_GPREEMPT_QUEUE_PREEMPTED);
static_assert((int)KFD_GPREEMPT_STATE_RESUMING ==
	      KFD_IOC_GPREEMPT_QUEUE_RESUMING);

static int query(struct kfd_process *p, struct device_queue_manager *dqm,
		 struct kfd_ioctl_gpreempt_args *args)
{
	struct kfd_gpreempt *gp = &dqm->gpreempt;
	struct queue *q = NULL;

	if (args->queue_id != KFD_IOC_GPREEMPT_NO_QUEUE) {
		q = pqm_get_user_queue(&p->pqm, args->queue_id);
		if (!q || q->device != dqm->dev)
			return -EINVAL;
	}

	args->queue_state = KFD_IOC_GPREEMPT_QUEUE_ACTIVE;
	args->queue_holder = KFD_IOC_GPREEMPT_HOLDER_NONE;
	args->queue_preemptions = 0;

	dqm_lock(dqm);
	if (q) {
		args->queue_state = (u32)q->gpreempt.state;
		if (q->gpreempt.holders & KFD_GPREEMPT_HOLD_IOCTL)
			args->queue_holder = KFD_IOC_GPREEMPT_HOLDER_IOCTL;
		else if (q->gpreempt.holders)
			args->queue_holder = KFD_IOC_GPREEMPT_HOLDER_MONITOR;
		args->queue_preemptions = q->gpreempt.preemptions;
	}
	args->preemptions = gp->preemptions;
	args->resumes = gp->resumes;
	args->ticks = READ_ONCE(gp->ticks);
	args->inversions = READ_ONCE(gp->inversions);
	dqm_unlock(dqm);

	return 0;
}

static int gpreempt(struct file *filep, struct kfd_process *p, void *data)
{
	struct kfd_ioctl_gpreempt_args *args = data;
	struct device_queue_manager *dqm;
	struct kfd_process_device *pdd;
	int r;

	if (args->op == KFD_IOC_GPREEMPT_OP_SET && !capable(CAP_SYS_ADMIN))
		return -EPERM;

	mutex_lock(&p->mutex);
	pdd = kfd_process_device_data_by_id(p, args->gpu_id);
	dqm = pdd ? pdd->dev->dqm : NULL;
	r = dqm ? 0 : -EINVAL;
	if (dqm && args->op == KFD_IOC_GPREEMPT_OP_QUERY)
		r = query(p, dqm, args);
	mutex_unlock(&p->mutex);
	if (r)
		return r;

	if (args->op == KFD_IOC_GPREEMPT_OP_GET)
		r = kfd_gpreempt_get_param(dqm, args->param, &args->value);
	else if (args->op == KFD_IOC_GPREEMPT_OP_SET)
		r = kfd_gpreempt_set_param(dqm, args->param, args->value);

	return r;
}

static const struct amdkfd_ioctl_desc ioctls[] = {
	{
		.cmd = AMDKFD_IOC_PREEMPT_QUEUE,
		.func = preempt_queue,
		.validate = preempt_queue_validate,
		.name = "AMDKFD_IOC_PREEMPT_QUEUE",
	}, {
		.cmd = AMDKFD_IOC_RESUME_QUEUE,
		.func = resume_queue,
		.validate = resume_queue_validate,
		.name = "AMDKFD_IOC_RESUME_QUEUE",
	}, {
		.cmd = AMDKFD_IOC_GPREEMPT,
		.func = gpreempt,
		.validate = gpreempt_validate,
		.name = "AMDKFD_IOC_GPREEMPT",
	},
};

/**
 * kfd_gpreempt_ioctl_desc - look up one of GPREEMPT's ioctls
 * @nr: number from user space
 *
 * They are far from KFD's own, hence a table of their own.
 *
 * Return: its description, or NULL.
 */
const struct amdkfd_ioctl_desc *kfd_gpreempt_ioctl_desc(unsigned int nr)
{
	if (nr < AMDKFD_GPREEMPT_COMMAND_START ||
	    nr >= AMDKFD_GPREEMPT_COMMAND_END)
		return NULL;

	nr -= AMDKFD_GPREEMPT_COMMAND_START;
	BUILD_BUG_ON(ARRAY_SIZE(ioctls) != AMDKFD_GPREEMPT_COMMAND_END -
					   AMDKFD_GPREEMPT_COMMAND_START);

	return &ioctls[array_index_nospec(nr, ARRAY_SIZE(ioctls))];
}
