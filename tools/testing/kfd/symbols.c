// SPDX-License-Identifier: GPL-2.0
/*
 * The functions and variables of amdgpu that amdkfd and the linked amdgpu files
 * need and that neither memory (mem.c), DRM (drm.c), nor registers (the hardware
 * side) answer for: module parameters with amdgpu's names and defaults, and
 * parts of amdgpu that the mock does not have (RAS, MES, SR-IOV, power).
 */
#include <linux/module.h>
#include <drm/gpu_scheduler.h>
#include "host.h"
#include "amdgpu_dpm.h"
#include "amdgpu_ras.h"
#include "amdgpu_umc.h"
#include "amdgpu_virt.h"
#include "amdgpu_xgmi.h"
#include "amdgpu_amdkfd_arcturus.h"
#include "soc15.h"

/* Module parameters that amdkfd reads; defaults of amdgpu_drv.c but for one. */
int sched_policy = KFD_SCHED_POLICY_HWS;
module_param(sched_policy, int, 0444);
MODULE_PARM_DESC(sched_policy,
		 "0 HWS (default), 1 HWS without over-subscription, 2 no HWS");

int hws_max_conc_proc = -1;
module_param(hws_max_conc_proc, int, 0444);
MODULE_PARM_DESC(hws_max_conc_proc, "processes on the hardware at once (-1 all VMIDs)");

int cwsr_enable = 1;
module_param(cwsr_enable, int, 0444);
MODULE_PARM_DESC(cwsr_enable, "compute wave save and restore (1)");

int max_num_of_queues_per_device = KFD_MAX_NUM_OF_QUEUES_PER_DEVICE_DEFAULT;
module_param(max_num_of_queues_per_device, int, 0444);
MODULE_PARM_DESC(max_num_of_queues_per_device, "queues of one device (4096)");

int send_sigterm;
module_param(send_sigterm, int, 0444);
MODULE_PARM_DESC(send_sigterm, "send SIGTERM on an unhandled exception (0)");

int halt_if_hws_hang;
module_param(halt_if_hws_hang, int, 0644);
MODULE_PARM_DESC(halt_if_hws_hang, "halt when HWS hangs (0)");

bool hws_gws_support;
module_param(hws_gws_support, bool, 0444);
MODULE_PARM_DESC(hws_gws_support, "assume that MEC2 firmware knows GWS (N)");

int queue_preemption_timeout_ms = 9000;
module_param(queue_preemption_timeout_ms, int, 0644);
MODULE_PARM_DESC(queue_preemption_timeout_ms, "queue preemption time-out (9000)");

bool debug_evictions;
module_param(debug_evictions, bool, 0644);
MODULE_PARM_DESC(debug_evictions, "messages on evictions (N)");

/* amdgpu's default is N. Here a BO costs nothing until it is touched. */
bool no_system_mem_limit = true;
module_param(no_system_mem_limit, bool, 0644);
MODULE_PARM_DESC(no_system_mem_limit, "no limit of system memory (Y)");

int amdgpu_no_queue_eviction_on_vm_fault;
module_param_named(no_queue_eviction_on_vm_fault, amdgpu_no_queue_eviction_on_vm_fault, int, 0444);
MODULE_PARM_DESC(no_queue_eviction_on_vm_fault, "keep queues after a VM fault (0)");

int amdgpu_mtype_local;
module_param_named(mtype_local, amdgpu_mtype_local, int, 0444);
MODULE_PARM_DESC(mtype_local, "MTYPE of local memory (0); no effect on the mock");

int amdgpu_emu_mode;
int amdgpu_exp_hw_support;
int amdgpu_gpu_recovery = -1;
int amdgpu_use_xgmi_p2p = 1;
uint amdgpu_sdma_phase_quantum = 32;

/* Indexed by enum amd_asic_type; the mock is CHIP_IP_DISCOVERY alone. */
const char *amdgpu_asic_name[] = {
	[CHIP_IP_DISCOVERY] = "IP DISCOVERY",
	[CHIP_LAST] = "LAST",
};

/* Generations that the mock does not play. */
const struct kfd2kgd_calls gfx_v7_kfd2kgd;
const struct kfd2kgd_calls gfx_v8_kfd2kgd;
const struct kfd2kgd_calls arcturus_kfd2kgd;
const struct kfd2kgd_calls gfx_v10_kfd2kgd;
const struct kfd2kgd_calls gfx_v10_3_kfd2kgd;
const struct kfd2kgd_calls gfx_v11_kfd2kgd;
const struct kfd2kgd_calls gfx_v12_kfd2kgd;

int kgd_arcturus_hqd_sdma_load(struct amdgpu_device *adev, void *mqd, uint32_t __user *wptr,
			       struct mm_struct *mm)
{
	return -EOPNOTSUPP;
}

int kgd_arcturus_hqd_sdma_dump(struct amdgpu_device *adev, uint32_t engine_id, uint32_t queue_id,
			       uint32_t (**dump)[2], uint32_t *n_regs)
{
	return -EOPNOTSUPP;
}

bool kgd_arcturus_hqd_sdma_is_occupied(struct amdgpu_device *adev, void *mqd)
{
	return false;
}

int kgd_arcturus_hqd_sdma_destroy(struct amdgpu_device *adev, void *mqd, unsigned int utimeout)
{
	return -EOPNOTSUPP;
}

/* Queue numbering: as amdgpu_gfx.c has it. */
void amdgpu_queue_mask_bit_to_mec_queue(struct amdgpu_device *adev, int bit, int *mec, int *pipe,
					int *queue)
{
	unsigned int queues = adev->gfx.mec.num_queue_per_pipe;
	unsigned int pipes = adev->gfx.mec.num_pipe_per_mec;

	*queue = bit % queues;
	*pipe = bit / queues % pipes;
	*mec = bit / queues / pipes;
}

int amdgpu_queue_mask_bit_to_set_resource_bit(struct amdgpu_device *adev, int queue_bit)
{
	int mec, pipe, queue;

	amdgpu_queue_mask_bit_to_mec_queue(adev, queue_bit, &mec, &pipe, &queue);
	return mec * 32 + pipe * 8 + queue;
}

/* Partitions */
int amdgpu_xcp_get_inst_details(struct amdgpu_xcp *xcp, enum AMDGPU_XCP_IP_BLOCK ip,
				uint32_t *inst_mask)
{
	if (!xcp->valid || !inst_mask || ip >= AMDGPU_XCP_MAX_BLOCKS || !xcp->ip[ip].valid)
		return -EINVAL;
	*inst_mask = xcp->ip[ip].inst_mask;
	return 0;
}

int amdgpu_xcp_query_partition_mode(struct amdgpu_xcp_mgr *xcp_mgr, u32 flags)
{
	return xcp_mgr->mode;
}

/* All mock GPUs of a machine are one hive, each linked to each. */
int amdgpu_xgmi_get_hops_count(struct amdgpu_device *adev, struct amdgpu_device *peer_adev)
{
	return 1;
}

int amdgpu_xgmi_get_num_links(struct amdgpu_device *adev, struct amdgpu_device *peer_adev)
{
	return 1;
}

bool amdgpu_device_is_peer_accessible(struct amdgpu_device *adev,
				      struct amdgpu_device *peer_adev)
{
	return false;
}

/* Rings of amdgpu's own: there are none but the KIQ. */
int amdgpu_ring_test_helper(struct amdgpu_ring *ring)
{
	return 0;
}

int amdgpu_job_alloc(struct amdgpu_device *adev, struct amdgpu_vm *vm,
		     struct drm_sched_entity *entity, void *owner, unsigned int num_ibs,
		     struct amdgpu_job **job, u64 drm_client_id)
{
	return -EOPNOTSUPP;
}

void amdgpu_job_free(struct amdgpu_job *job)
{
}

int amdgpu_ib_schedule(struct amdgpu_ring *ring, unsigned int num_ibs, struct amdgpu_ib *ibs,
		       struct amdgpu_job *job, struct dma_fence **f)
{
	return -EOPNOTSUPP;
}

int drm_sched_job_add_dependency(struct drm_sched_job *job, struct dma_fence *fence)
{
	dma_fence_put(fence);
	return -EOPNOTSUPP;
}

struct drm_sched_fence *to_drm_sched_fence(struct dma_fence *f)
{
	return NULL;
}

static bool mock_ih_busy;
module_param(mock_ih_busy, bool, 0644);
MODULE_PARM_DESC(mock_ih_busy, "Fault: the interrupt ring does not catch up within a second");

/* Interrupts reach amdkfd at once: nothing to wait for, and all of the time is left. */
int amdgpu_ih_wait_on_checkpoint_process_ts(struct amdgpu_device *adev, struct amdgpu_ih_ring *ih)
{
	return mock_ih_busy ? 0 : HZ;
}

/* PASIDs */
static DEFINE_IDA(mock_pasids);

int amdgpu_pasid_alloc(unsigned int bits)
{
	return ida_alloc_range(&mock_pasids, 1U << (bits - 1), (1U << bits) - 1, GFP_KERNEL);
}

void amdgpu_pasid_free(u32 pasid)
{
	if (pasid)
		ida_free(&mock_pasids, pasid);
}

/* Reset */
int amdgpu_in_reset(struct amdgpu_device *adev)
{
	return atomic_read(&adev->reset_domain->in_gpu_reset);
}

bool amdgpu_device_should_recover_gpu(struct amdgpu_device *adev)
{
	return amdgpu_gpu_recovery != 0;
}

int amdgpu_device_gpu_recover(struct amdgpu_device *adev, struct amdgpu_job *job,
			      struct amdgpu_reset_context *reset_context)
{
	return mock_gpu_reset(adev_to_host(adev), reset_context);
}

void amdgpu_reset_get_desc(struct amdgpu_reset_context *rst_ctxt, char *buf, size_t len)
{
	strscpy(buf, rst_ctxt->src == AMDGPU_RESET_SRC_HWS ? "scheduler hang" : "user trigger",
		len);
}

/* Power */
int amdgpu_dpm_get_mclk(struct amdgpu_device *adev, bool low)
{
	return 130000;	/* of 10 kHz */
}

int amdgpu_dpm_get_sclk(struct amdgpu_device *adev, bool low)
{
	return 210000;	/* of 10 kHz */
}

uint64_t amdgpu_dpm_get_thermal_throttling_counter(struct amdgpu_device *adev)
{
	return 0;
}

int amdgpu_dpm_switch_power_profile(struct amdgpu_device *adev, enum PP_SMC_POWER_PROFILE type,
				    bool en)
{
	return 0;
}

void amdgpu_gfx_off_ctrl(struct amdgpu_device *adev, bool enable)
{
}

void amdgpu_gfx_rlc_enter_safe_mode(struct amdgpu_device *adev, int xcc_id)
{
}

void amdgpu_gfx_rlc_exit_safe_mode(struct amdgpu_device *adev, int xcc_id)
{
}

void amdgpu_device_flush_hdp(struct amdgpu_device *adev, struct amdgpu_ring *ring)
{
}

/* SR-IOV: never a virtual function */
u32 amdgpu_sriov_rreg(struct amdgpu_device *adev, u32 offset, u32 acc_flags, u32 hwip, u32 xcc_id)
{
	return 0;
}

void amdgpu_sriov_wreg(struct amdgpu_device *adev, u32 offset, u32 value, u32 acc_flags, u32 hwip,
		       u32 xcc_id)
{
}

bool amdgpu_sriov_xnack_support(struct amdgpu_device *adev)
{
	return true;
}

/* MES: off on MI300 */
int amdgpu_mes_doorbell_process_slice(struct amdgpu_device *adev)
{
	return PAGE_SIZE;
}

int amdgpu_mes_suspend(struct amdgpu_device *adev)
{
	return -EOPNOTSUPP;
}

int amdgpu_mes_resume(struct amdgpu_device *adev)
{
	return -EOPNOTSUPP;
}

int amdgpu_mes_set_shader_debugger(struct amdgpu_device *adev, uint64_t process_context_addr,
				   uint32_t spi_gdbg_per_vmid_cntl, const uint32_t *tcp_watch_cntl,
				   uint32_t flags, bool trap_en)
{
	return -EOPNOTSUPP;
}

int amdgpu_mes_flush_shader_debugger(struct amdgpu_device *adev, uint64_t process_context_addr)
{
	return -EOPNOTSUPP;
}

/* RAS */
struct amdgpu_ras *amdgpu_ras_get_context(struct amdgpu_device *adev)
{
	return NULL;
}

bool amdgpu_ras_get_fed_status(struct amdgpu_device *adev)
{
	return false;
}

u64 amdgpu_ras_acquire_event_id(struct amdgpu_device *adev, enum ras_event_type type)
{
	return 0;
}

int amdgpu_ras_mark_ras_event_caller(struct amdgpu_device *adev, enum ras_event_type type,
				     const void *caller)
{
	return 0;
}

void amdgpu_ras_event_log_print(struct amdgpu_device *adev, u64 event_id, const char *fmt, ...)
{
}

int amdgpu_umc_pasid_poison_handler(struct amdgpu_device *adev, enum amdgpu_ras_block block,
				    uint16_t pasid, pasid_notify pasid_fn, void *data,
				    uint32_t reset)
{
	return 0;
}
