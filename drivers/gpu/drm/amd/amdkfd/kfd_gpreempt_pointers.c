// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Read and write pointers of queues, which lie in memory of processes. It may
 * be missing, or be made to block: nobody faults in that of another process.
 */

#include <linux/kthread.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>
#include "kfd_priv.h"
#include "kfd_gpreempt.h"

/**
 * kfd_gpreempt_get_mm - get a reference to the memory of a process
 * @p: the process
 *
 * The main thread may have ended while others go on, and then it has no mm.
 * That of a program that was executed since is not the one.
 *
 * Context: any that may not sleep; @p is alive.
 * Return: the mm, for mmput_async(), because the last reference takes apart a
 * whole process; NULL if it is gone.
 */
struct mm_struct *kfd_gpreempt_get_mm(struct kfd_process *p)
{
	struct mm_struct *mm = NULL;
	struct task_struct *t;

	rcu_read_lock();
	for_each_thread(p->lead_thread, t) {
		mm = get_task_mm(t);
		if (mm)
			break;
	}
	rcu_read_unlock();

	if (mm && mm != READ_ONCE(p->mm)) {
		mmput_async(mm);
		mm = NULL;
	}

	return mm;
}

/**
 * kfd_gpreempt_read_pointers - read rptr and wptr of a queue
 * @ptrs: where they are, and then what they are
 *
 * Context: with the mm of the process in use; may be atomic.
 * Return: true if both could be read.
 */
bool kfd_gpreempt_read_pointers(struct kfd_gpreempt_pointers *ptrs)
{
	size_t size = ptrs->aql ? sizeof(u64) : sizeof(u32);
	u64 rptr = 0, wptr = 0;

	if (copy_from_user_nofault(&rptr, ptrs->rptr_addr, size) ||
	    copy_from_user_nofault(&wptr, ptrs->wptr_addr, size))
		return false;

	ptrs->rptr = rptr;
	ptrs->wptr = wptr;

	return true;
}

struct peek {
	struct work_struct work;
	struct mm_struct *mm;
	struct kfd_gpreempt_pointers *ptrs;
	bool known;
};

static void peek_work(struct work_struct *work)
{
	struct peek *peek = container_of(work, struct peek, work);

	kthread_use_mm(peek->mm);
	peek->known = kfd_gpreempt_read_pointers(peek->ptrs);
	kthread_unuse_mm(peek->mm);
}

/**
 * kfd_gpreempt_peek_pointers - read rptr and wptr of a queue of any process
 * @mm: its memory
 * @ptrs: as for kfd_gpreempt_read_pointers()
 *
 * Only threads of the kernel may use the memory of somebody else. The caller's
 * own is faulted in.
 *
 * Context: a process, which sleeps.
 * Return: true if both could be read.
 */
bool kfd_gpreempt_peek_pointers(struct mm_struct *mm,
				struct kfd_gpreempt_pointers *ptrs)
{
	struct peek peek = { .mm = mm, .ptrs = ptrs };

	if (mm == current->mm) {
		fault_in_readable(ptrs->rptr_addr, sizeof(u32));
		fault_in_readable(ptrs->wptr_addr, sizeof(u32));
		return kfd_gpreempt_read_pointers(ptrs);
	}

	INIT_WORK_ONSTACK(&peek.work, peek_work);
	queue_work(system_unbound_wq, &peek.work);
	flush_work(&peek.work);
	destroy_work_on_stack(&peek.work);

	return peek.known;
}
