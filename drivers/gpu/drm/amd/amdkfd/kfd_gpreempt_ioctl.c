// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The ioctls of GPREEMPT: who may preempt whose queue, what a file holds, and
 * what can be asked and configured.
 */

#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/nospec.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <drm/drm_drv.h>
#include <uapi/linux/kfd_ioctl.h>
#include "kfd_priv.h"
#include "kfd_device_queue_manager.h"
#include "kfd_gpreempt.h"
#include "amdgpu_reset.h"

static int move_queue(struct queue *q, struct kfd_gpreempt_step *step)
{
	struct device_queue_manager *dqm = q->device->dqm;

	step->q = q;
	kfd_gpreempt_execute(dqm, step, 1);

	return step->err;
}

/*
 * Whose queues somebody may move: his own, and those of processes that he may
 * also renice.
 */
static bool may_move_queues_of(struct task_struct *task, bool audit)
{
	const struct cred *cred;
	bool ok;

	rcu_read_lock();
	cred = __task_cred(task);
	ok = uid_eq(cred->uid, current_uid()) ||
	     (audit ? ns_capable(cred->user_ns, CAP_SYS_NICE) :
		      ns_capable_noaudit(cred->user_ns, CAP_SYS_NICE));
	rcu_read_unlock();

	return ok;
}

/* Also if its main thread has ended, or has executed another program */
static struct kfd_process *lookup_process(const struct task_struct *task)
{
	struct kfd_process *p, *found = NULL;
	int i, idx;

	idx = srcu_read_lock(&kfd_processes_srcu);
	hash_for_each_rcu(kfd_processes_table, i, p, kfd_processes) {
		/* Pairs with create_process() */
		if (p->lead_thread == task && smp_load_acquire(&p->complete)) {
			kref_get(&p->ref);
			found = p;
			break;
		}
	}
	srcu_read_unlock(&kfd_processes_srcu, idx);

	return found;
}

/* The KFD process that an ioctl is about, with a reference, or an error */
static struct kfd_process *get_process(struct kfd_process *caller, u32 nr)
{
	struct task_struct *task = NULL;
	struct kfd_process *p = NULL;
	struct pid *pid;

	if (!nr) {
		kref_get(&caller->ref);
		return caller;
	}

	pid = find_get_pid(nr);
	if (pid) {
		task = get_pid_task(pid, PIDTYPE_TGID);
		if (task)
			p = kfd_lookup_process_by_pid(pid) ?:
			    lookup_process(task);
		put_pid(pid);
	}
	if (!p) {
		p = ERR_PTR(-ESRCH);
	} else if (!may_move_queues_of(task, true)) {
		/* Asked of what it is now: it may have been executed since */
		kfd_unref_process(p);
		p = ERR_PTR(-EPERM);
	}
	if (task)
		put_task_struct(task);

	return p;
}

/*
 * The owner may hold it for as long as he likes, copying to memory that faults.
 * The reference is dropped if it cannot be had.
 */
static int lock_process(struct kfd_process *p)
{
	if (mutex_lock_interruptible(&p->mutex)) {
		kfd_unref_process(p);
		return -ERESTARTSYS;
	}

	return 0;
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
		.file = filep,
		.had_work = true,
	};
	bool drain = args->preempt_type == KFD_IOC_PREEMPT_WAVEFRONT_DRAIN;
	struct device_queue_manager *dqm;
	struct queue *q;
	int r;

	p = get_process(p, args->pid);
	if (IS_ERR(p))
		return PTR_ERR(p);

	if (drain)
		step.drain_ms = clamp_t(u32, args->timeout_ms ?:
					KFD_UNMAP_LATENCY_MS, 1,
					max(queue_preemption_timeout_ms, 1));

	r = lock_process(p);
	if (r)
		return r;

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
	WRITE_ONCE(dqm->gpreempt.used, true);
	if (q->properties.is_being_destroyed)
		r = -EBUSY;
	else
		r = move_queue(q, &step);
	dqm_unlock(dqm);
out:
	mutex_unlock(&p->mutex);
	kfd_unref_process(p);

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
		.file = filep,
	};
	struct device_queue_manager *dqm;
	struct queue *q;
	int r;

	p = get_process(p, args->pid);
	if (IS_ERR(p))
		return PTR_ERR(p);

	r = lock_process(p);
	if (r)
		return r;

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
	if (q->gpreempt.holders & KFD_GPREEMPT_HOLD_NOBODY)
		step.holder = KFD_GPREEMPT_HOLD_NOBODY;
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
	kfd_unref_process(p);

	return r;
}

static int gpreempt_validate(void *kdata, unsigned int usize)
{
	struct kfd_ioctl_gpreempt_args *args = kdata;

	switch (args->op) {
	case KFD_IOC_GPREEMPT_OP_QUERY:
		if (args->queue_id == KFD_IOC_GPREEMPT_NO_QUEUE &&
		    (args->pid || args->flags))
			return -EINVAL;
		fallthrough;
	case KFD_IOC_GPREEMPT_OP_NEXT_QUEUE:
		if (args->param || args->value ||
		    args->flags & ~(KFD_IOC_GPREEMPT_READ_PENDING |
				    KFD_IOC_GPREEMPT_READ_WAVES))
			return -EINVAL;
		break;
	case KFD_IOC_GPREEMPT_OP_NEXT_PID:
		if (args->param || args->value || args->queue_id || args->flags)
			return -EINVAL;
		break;
	case KFD_IOC_GPREEMPT_OP_GET:
	case KFD_IOC_GPREEMPT_OP_SET:
		if (args->queue_id || args->pid || args->flags)
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

/* Under the mutex of the process */
static struct queue *next_queue(struct kfd_process *p, struct kfd_node *node,
				u32 queue_id)
{
	struct process_queue_node *pqn;
	struct queue *next = NULL;

	list_for_each_entry(pqn, &p->pqm.queues, process_queue_list) {
		struct queue *q = pqn->q;

		if (!q || q->device != node ||
		    q->properties.type != KFD_QUEUE_TYPE_COMPUTE ||
		    q->properties.queue_id < queue_id)
			continue;
		if (!next ||
		    q->properties.queue_id < next->properties.queue_id)
			next = q;
	}

	return next;
}

/* Under the DQM lock */
static void describe_queue(struct device_queue_manager *dqm, struct queue *q,
			   struct kfd_ioctl_gpreempt_args *args)
{
	const struct kfd_gpreempt_queue *gq = &q->gpreempt;

	args->queue_id = q->properties.queue_id;
	args->queue_state = (u32)gq->state;
	if (gq->holders & KFD_GPREEMPT_HOLD_IOCTL)
		args->queue_holder = KFD_IOC_GPREEMPT_HOLDER_IOCTL;
	else if (gq->holders & KFD_GPREEMPT_HOLD_MONITOR)
		args->queue_holder = KFD_IOC_GPREEMPT_HOLDER_MONITOR;
	else if (gq->holders)
		args->queue_holder = KFD_IOC_GPREEMPT_HOLDER_NOBODY;
	args->queue_priority = q->properties.priority;
	if (q->properties.is_active)
		args->queue_flags |= KFD_IOC_GPREEMPT_QUEUE_RUNS;
	if (!kfd_gpreempt_can_preempt(dqm, q))
		args->queue_flags |= KFD_IOC_GPREEMPT_QUEUE_PREEMPTIBLE;
	args->queue_preemptions = gq->preemptions;
	if (gq->since_ns)
		args->queue_since_ns = ktime_get_ns() - gq->since_ns;
}

static void read_pending(struct mm_struct *mm,
			 struct kfd_gpreempt_pointers *ptrs, u64 ring_bytes,
			 struct kfd_ioctl_gpreempt_args *args)
{
	if (!kfd_gpreempt_peek_pointers(mm, ptrs))
		return;

	args->queue_flags |= KFD_IOC_GPREEMPT_QUEUE_PENDING_KNOWN;
	if (!kfd_gpreempt_pending(ptrs->rptr, ptrs->wptr, ring_bytes,
				  ptrs->aql))
		return;

	args->queue_pending = ptrs->wptr - ptrs->rptr;
	if (!ptrs->aql)
		args->queue_pending &= ring_bytes / sizeof(u32) - 1;
}

static int read_waves(struct device_queue_manager *dqm, u32 doorbell_off,
		      struct kfd_ioctl_gpreempt_args *args)
{
	struct kfd_node *node = dqm->dev;
	struct kfd_cu_occupancy *occupancy;
	u32 xcc_mask = node->xcc_mask;
	int xcc_id, max_waves, idx, i;

	if (!node->kfd2kgd->get_cu_occupancy)
		return 0;

	occupancy = kmalloc_array(AMDGPU_MAX_QUEUES, sizeof(*occupancy),
				  GFP_KERNEL);
	if (!occupancy)
		return -ENOMEM;

	if (!drm_dev_enter(adev_to_drm(node->adev), &idx))
		goto out;
	/* No registers are read during a reset */
	if (!down_read_trylock(&node->adev->reset_domain->sem))
		goto out_exit;
	if (!READ_ONCE(dqm->sched_running))
		goto out_up;

	for_each_inst(xcc_id, xcc_mask) {
		memset(occupancy, 0, AMDGPU_MAX_QUEUES * sizeof(*occupancy));
		node->kfd2kgd->get_cu_occupancy(node->adev, occupancy,
						&max_waves, xcc_id);
		for (i = 0; i < AMDGPU_MAX_QUEUES; i++)
			if (occupancy[i].doorbell_off == doorbell_off)
				args->queue_waves += occupancy[i].wave_cnt;
	}
	args->queue_flags |= KFD_IOC_GPREEMPT_QUEUE_WAVES_KNOWN;

out_up:
	up_read(&node->adev->reset_domain->sem);
out_exit:
	drm_dev_exit(idx);
out:
	kfree(occupancy);

	return 0;
}

static int query(struct kfd_process *p, struct device_queue_manager *dqm,
		 struct kfd_ioctl_gpreempt_args *args)
{
	struct kfd_gpreempt *gp = &dqm->gpreempt;
	struct kfd_gpreempt_pointers ptrs;
	struct mm_struct *mm = NULL;
	u64 ring_bytes = 0;
	u32 doorbell_off = 0;
	struct queue *q = NULL;
	int r;

	p = get_process(p, args->pid);
	if (IS_ERR(p))
		return PTR_ERR(p);

	r = lock_process(p);
	if (r)
		return r;

	memset_startat(args, 0, queue_state);

	if (args->op == KFD_IOC_GPREEMPT_OP_NEXT_QUEUE) {
		q = next_queue(p, dqm->dev, args->queue_id);
		if (!q)
			r = -ENOENT;
	} else if (args->queue_id != KFD_IOC_GPREEMPT_NO_QUEUE) {
		q = pqm_get_user_queue(&p->pqm, args->queue_id);
		if (!q || q->device != dqm->dev)
			r = -EINVAL;
	}
	if (r)
		goto out;

	dqm_lock(dqm);
	if (q)
		describe_queue(dqm, q, args);
	args->preemptions = gp->preemptions;
	args->resumes = gp->resumes;
	args->ticks = READ_ONCE(gp->ticks);
	args->inversions = READ_ONCE(gp->inversions);
	dqm_unlock(dqm);

	if (q && q->properties.type == KFD_QUEUE_TYPE_COMPUTE &&
	    args->flags & KFD_IOC_GPREEMPT_READ_PENDING) {
		ptrs.rptr_addr = q->properties.read_ptr;
		ptrs.wptr_addr = q->properties.write_ptr;
		ptrs.aql = q->properties.format == KFD_QUEUE_FORMAT_AQL;
		ring_bytes = q->properties.queue_size;
		mm = kfd_gpreempt_get_mm(p);
	}
	if (q)
		doorbell_off = q->properties.doorbell_off;
out:
	mutex_unlock(&p->mutex);
	kfd_unref_process(p);

	if (mm) {
		read_pending(mm, &ptrs, ring_bytes, args);
		mmput_async(mm);
	}
	if (!r && args->flags & KFD_IOC_GPREEMPT_READ_WAVES)
		r = read_waves(dqm, doorbell_off, args);

	return r;
}

static int next_pid(struct device_queue_manager *dqm,
		    struct kfd_ioctl_gpreempt_args *args)
{
	struct device_process_node *cur;
	u32 next = 0;

	dqm_lock(dqm);
	list_for_each_entry(cur, &dqm->queues, list) {
		struct task_struct *task = cur->qpd->pqm->process->lead_thread;
		u32 pid = task_tgid_vnr(task);

		if (pid > args->pid && (!next || pid < next) &&
		    !list_empty(&cur->qpd->queues_list) &&
		    may_move_queues_of(task, false))
			next = pid;
	}
	dqm_unlock(dqm);

	if (!next)
		return -ENOENT;
	args->pid = next;

	return 0;
}

static int gpreempt(struct file *filep, struct kfd_process *p, void *data)
{
	struct kfd_ioctl_gpreempt_args *args = data;
	struct device_queue_manager *dqm;
	struct kfd_process_device *pdd;

	if (args->op == KFD_IOC_GPREEMPT_OP_SET && !capable(CAP_SYS_ADMIN))
		return -EPERM;

	mutex_lock(&p->mutex);
	pdd = kfd_process_device_data_by_id(p, args->gpu_id);
	dqm = pdd ? pdd->dev->dqm : NULL;
	mutex_unlock(&p->mutex);
	if (!dqm)
		return -EINVAL;

	switch (args->op) {
	case KFD_IOC_GPREEMPT_OP_GET:
		return kfd_gpreempt_get_param(dqm, args->param, &args->value);
	case KFD_IOC_GPREEMPT_OP_SET:
		return kfd_gpreempt_set_param(dqm, args->param, args->value);
	case KFD_IOC_GPREEMPT_OP_NEXT_PID:
		return next_pid(dqm, args);
	default:
		return query(p, dqm, args);
	}
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
