// SPDX-License-Identifier: GPL-2.0
/*
 * A mock GPU that amdkfd drives in a VM: an MI300X (GC 9.4.3, gfx942) or MI308X,
 * in one of the partition modes SPX, DPX, QPX and CPX.
 *
 * The module is named amdgpu. It holds the unmodified objects of
 * drivers/gpu/drm/amd/amdkfd and, from drivers/gpu/drm/amd/amdgpu, the objects
 * that are KFD's (amdgpu_amdkfd*.o for these GPUs, amdgpu_hmm.o,
 * amdgpu_sync.o); beneath them, in place of the rest of amdgpu, TTM and the
 * silicon, lies what this directory models:
 *
 * main.c	PCI device (QEMU's ivshmem-plain), struct amdgpu_device, reset,
 *		suspend, interrupts, debugfs
 * mem.c	buffer objects, GPU address spaces, GART, userptr, doorbell pages
 * drm.c	render nodes, one for each partition
 * svm.c	page tables and VRAM of SVM, if the kernel has HSA_AMD_SVM
 * symbols.c	amdgpu's module parameters and the functions that do nothing
 * hw*.c	registers, firmware, queues and waves: their own comments say what
 *
 * Sources of what adev says: gfx_v9_4_3.c, gmc_v9_0.c, aqua_vanjaram.c,
 * amdgpu_gfx.c for limits, numbering and doorbell layout; AMD's CDNA 3 white
 * paper and ISA document for CUs, waves, cache sizes; dumps of an MI308X for
 * control stack and save area sizes, which follow from the number of CUs.
 *
 * Not modelled on the host side: page-table formats and TLB contents (a flush
 * waits for accesses in progress, no more), what TTM evicts and when, DMA-bufs of
 * other devices, peer access over PCIe (mock GPUs are one XGMI hive), retry faults,
 * a change of the partition mode, memory partitions (NPS1 always), graphics,
 * command submission through DRM, RAS, SR-IOV, MES, power.
 *
 * debugfs, /sys/kernel/debug/kfd_mockN/ of the Nth GPU:
 * violations	how often an invariant did not hold
 * suspend	write "on": suspend; "off": resume; a number: both
 * halt		write "on": halt the scheduler, as the isolation of graphics from
 *		compute does; "off": let it go on; MS: both, MS milliseconds apart
 * reset	write a number: GPU reset
 * evict	write "PID on": take the process's queues off; "PID off": put them
 *		back; "PID MS": both, MS milliseconds apart; "PID vram": move its
 *		BOs out of VRAM, which takes the queues off until amdkfd itself
 *		brings all back
 * and those of the hardware side.
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/sched/mm.h>
#include <linux/workqueue.h>
#include <drm/drm_drv.h>
#include <drm/drm_mode_config.h>
#include <uapi/linux/kfd_ioctl.h>
#include "host.h"
#include "amd_pcie.h"
#include "amdgpu_ras.h"
#include "amdgpu_smuio.h"
#include "amdgpu_xgmi.h"

#define MOCK_BAR	2

static char *mock_gpu = "mi300x";
module_param(mock_gpu, charp, 0444);
MODULE_PARM_DESC(mock_gpu, "mi300x (default) or mi308x");

static unsigned int mock_xcc;
module_param(mock_xcc, uint, 0444);
MODULE_PARM_DESC(mock_xcc, "XCCs, 1 to 8 (mi300x 8, mi308x 4)");

static unsigned int mock_cu_per_xcc;
module_param(mock_cu_per_xcc, uint, 0444);
MODULE_PARM_DESC(mock_cu_per_xcc,
		 "CUs of an XCC, 1 to 40 (mi300x 4, where a real one has 38; mi308x 20)");

static unsigned int mock_waves_per_cu = 32;
module_param(mock_waves_per_cu, uint, 0444);
MODULE_PARM_DESC(mock_waves_per_cu, "wave slots of a CU, a multiple of 4 (32)");

static char *mock_partition = "spx";
module_param(mock_partition, charp, 0444);
MODULE_PARM_DESC(mock_partition, "spx (default), dpx, qpx or cpx: one KFD node, 2, 4, one per XCC");

static unsigned int mock_vram_mb = 196608;
module_param(mock_vram_mb, uint, 0444);
MODULE_PARM_DESC(mock_vram_mb, "size of VRAM that is reported, MiB (196608)");

static DEFINE_IDA(mock_ids);

/**
 * mock_from_adev - the mock GPU of an amdgpu device
 * @adev: the amdgpu device
 *
 * Return: the mock GPU.
 */
struct mock_device *mock_from_adev(struct amdgpu_device *adev)
{
	return &adev_to_host(adev)->md;
}

/**
 * mock_irq - deliver one interrupt ring entry
 * @md: the mock GPU
 * @entry: 8 dwords, in the layout of soc15
 *
 * Context: any.
 */
void mock_irq(struct mock_device *md, const u32 *entry)
{
	amdgpu_amdkfd_interrupt(md->adev, entry);
}

/**
 * mock_violation - report that an invariant does not hold
 * @md: the mock GPU
 * @fmt: format; printed the first time only
 *
 * Context: any.
 */
void mock_violation(struct mock_device *md, const char *fmt, ...)
{
	static DEFINE_SPINLOCK(lock);
	static const char *seen[256];
	static unsigned int num_seen;
	struct va_format vaf;
	unsigned long flags;
	unsigned int i;
	va_list args;

	atomic_inc(&md->violations);

	spin_lock_irqsave(&lock, flags);
	for (i = 0; i < num_seen && seen[i] != fmt; i++)
		;
	if (i == num_seen && num_seen < ARRAY_SIZE(seen))
		seen[num_seen++] = fmt;
	else
		fmt = NULL;
	spin_unlock_irqrestore(&lock, flags);
	if (!fmt)
		return;

	va_start(args, fmt);
	vaf.fmt = fmt;
	vaf.va = &args;
	pr_err("kfd_mock: violation: %pV\n", &vaf);
	va_end(args);
}

static enum amdgpu_memory_partition mock_query_mem_partition_mode(struct amdgpu_device *adev)
{
	return AMDGPU_NPS1_PARTITION_MODE;
}

static const struct amdgpu_gmc_funcs mock_gmc_funcs = {
	.query_mem_partition_mode = mock_query_mem_partition_mode,
};

static enum amdgpu_pkg_type mock_get_pkg_type(struct amdgpu_device *adev)
{
	return AMDGPU_PKG_TYPE_OAM;
}

static const struct amdgpu_smuio_funcs mock_smuio_funcs = {
	.get_pkg_type = mock_get_pkg_type,
};

static uint64_t mock_get_gpu_clock_counter(struct amdgpu_device *adev)
{
	return mock_hw_clock(mock_from_adev(adev));
}

static const struct amdgpu_gfx_funcs mock_gfx_funcs = {
	.get_gpu_clock_counter = mock_get_gpu_clock_counter,
};

static void mock_kiq_unmap_queues(struct amdgpu_ring *kiq_ring, struct amdgpu_ring *ring,
				  enum amdgpu_unmap_queues_action action, u64 gpu_addr, u64 seq)
{
	mock_hw_unmap_hiq(mock_from_adev(kiq_ring->adev), ring->doorbell_index, kiq_ring->xcc_id);
}

static const struct kiq_pm4_funcs mock_kiq_pmf = {
	.kiq_unmap_queues = mock_kiq_unmap_queues,
};

static void mock_init_gfx(struct mock_host *host)
{
	struct amdgpu_device *adev = &host->adev;
	struct amdgpu_gfx_config *config = &adev->gfx.config;
	struct amdgpu_cu_info *cu = &adev->gfx.cu_info;
	struct mock_device *md = &host->md;
	unsigned int xcc, se, i;

	adev->gfx.xcc_mask = (1 << md->num_xcc) - 1;
	adev->gfx.num_xcc_per_xcp = md->num_xcc / md->num_parts;
	adev->gfx.mec_fw_version = 0xb0;
	adev->gfx.mec2_fw_version = 0xb0;
	adev->gfx.rlc_fw_version = 0x45;
	adev->gfx.funcs = &mock_gfx_funcs;

	config->max_shader_engines = 4;
	config->max_sh_per_se = 1;
	config->max_cu_per_sh = 10;
	config->gb_addr_config = 0x2a114042;	/* GB_ADDR_CONFIG_GOLDEN of gfx_v9_4_3.c */
	config->gc_tcp_size_per_cu = 32;
	config->gc_l1_instruction_cache_size_per_sqc = 64;
	config->gc_l1_data_cache_size_per_sqc = 16;
	config->gc_num_cu_per_sqc = 2;
	config->gc_tcc_size = 4096;

	cu->simd_per_cu = 4;
	cu->max_waves_per_simd = md->waves_per_cu / 4;
	cu->wave_front_size = 64;
	cu->max_scratch_slots_per_cu = 32;
	cu->lds_size = 64;
	cu->number = md->num_xcc * md->cu_per_xcc;
	for (xcc = 0; xcc < md->num_xcc; xcc++)
		for (i = 0; i < md->cu_per_xcc; i++) {
			se = i % config->max_shader_engines;
			cu->bitmap[xcc][se][0] |= BIT(i / config->max_shader_engines);
		}

	adev->gfx.mec.num_mec = 2;
	adev->gfx.mec.num_pipe_per_mec = 4;
	adev->gfx.mec.num_queue_per_pipe = 8;
	for (xcc = 0; xcc < md->num_xcc; xcc++) {
		struct amdgpu_kiq *kiq = &adev->gfx.kiq[xcc];

		/* amdgpu keeps pipe 0 for its 8 rings: amdgpu_gfx_compute_queue_acquire() */
		bitmap_set(adev->gfx.mec_bitmap[xcc].queue_bitmap, 0, 8);
		spin_lock_init(&kiq->ring_lock);
		kiq->pmf = &mock_kiq_pmf;
		kiq->ring.adev = adev;
		kiq->ring.xcc_id = xcc;
		kiq->ring.sched.ready = true;
	}

	adev->sdma.num_instances = 2 * md->num_xcc;
	for (i = 0; i < adev->sdma.num_instances; i++) {
		adev->sdma.instance[i].fw_version = 0x13;
		adev->doorbell_index.sdma_engine[i] =
			AMDGPU_DOORBELL_LAYOUT1_FIRST_NON_CP + i * 10;
	}
	adev->gds.gws_size = 64;
}

static void mock_init_memory(struct mock_host *host)
{
	struct amdgpu_device *adev = &host->adev;
	struct amdgpu_gmc *gmc = &adev->gmc;

	gmc->gmc_funcs = &mock_gmc_funcs;
	gmc->real_vram_size = (u64)mock_vram_mb << 20;
	gmc->visible_vram_size = gmc->real_vram_size;
	gmc->mc_vram_size = gmc->real_vram_size;
	gmc->aper_size = gmc->real_vram_size;
	gmc->vram_width = 8192;
	gmc->mall_size = SZ_256M;
	gmc->noretry = 1;
	gmc->mem_partitions = &host->mem_partition;
	gmc->num_mem_partitions = 1;
	host->mem_partition.size = gmc->real_vram_size;
	host->mem_partition.range.lpfn = (gmc->real_vram_size >> PAGE_SHIFT) - 1;
	gmc->xgmi.supported = true;
	gmc->xgmi.hive_id = 0x6d6f636b;
	gmc->xgmi.physical_node_id = host->index;
	gmc->xgmi.num_physical_nodes = 1;

	/* 13 VMIDs for KFD and 48 bits of address: gmc_v9_0_sw_init() */
	adev->vm_manager.first_kfd_vmid = 3;
	adev->vm_manager.max_pfn = 1ULL << (48 - AMDGPU_GPU_PAGE_SHIFT);
	xa_init_flags(&adev->vm_manager.pasids, XA_FLAGS_LOCK_IRQ);
	adev->ram_is_direct_mapped = true;
	spin_lock_init(&adev->mman.bdev.lru_lock);
	mutex_init(&adev->mman.gtt_window_lock);
}

/* As aqua_vanjaram.c does, but that all memory is one partition (NPS1) */
static void mock_init_xcp(struct mock_host *host)
{
	unsigned int i, n = host->md.num_parts, xccs = host->md.num_xcc / n;
	struct amdgpu_device *adev = &host->adev;
	struct amdgpu_xcp *xcp;

	host->xcp_mgr.adev = adev;
	host->xcp_mgr.mode = host->partition_mode;
	host->xcp_mgr.num_xcps = n;
	host->xcp_mgr.num_xcp_per_mem_partition = n;
	mutex_init(&host->xcp_mgr.xcp_lock);
	for (i = 0; i < n; i++) {
		xcp = &host->xcp_mgr.xcp[i];
		xcp->id = i;
		xcp->valid = true;
		xcp->ip[AMDGPU_XCP_GFX].valid = true;
		xcp->ip[AMDGPU_XCP_GFX].inst_mask = ((1 << xccs) - 1) << i * xccs;
		/* two SDMA engines for each XCC */
		xcp->ip[AMDGPU_XCP_SDMA].valid = true;
		xcp->ip[AMDGPU_XCP_SDMA].inst_mask = ((1 << 2 * xccs) - 1) << i * 2 * xccs;
	}
	adev->xcp_mgr = &host->xcp_mgr;
}

static void mock_init_adev(struct mock_host *host, struct pci_dev *pdev)
{
	struct amdgpu_device *adev = &host->adev;

	adev->dev = &pdev->dev;
	adev->pdev = pdev;
	adev->asic_type = CHIP_IP_DISCOVERY;
	adev->family = AMDGPU_FAMILY_AI;
	adev->rev_id = 1;		/* gfx942, not gfx941: see kgd2kfd_probe() */
	adev->external_rev_id = adev->rev_id + 0x46;
	adev->ip_versions[GC_HWIP][0] = IP_VERSION(9, 4, 3);
	adev->ip_versions[SDMA0_HWIP][0] = IP_VERSION(4, 4, 2);
	adev->ip_versions[MMHUB_HWIP][0] = IP_VERSION(1, 8, 0);
	adev->unique_id = 0x6d6f636b00000000ULL + host->index;
	adev->have_atomics_support = true;
	adev->aid_mask = (1 << DIV_ROUND_UP(host->md.num_xcc, 2)) - 1;
	/* ECC of HBM and of the register files cannot be turned off */
	adev->ras_enabled = BIT(AMDGPU_RAS_BLOCK__GFX) | BIT(AMDGPU_RAS_BLOCK__SDMA) |
			    BIT(AMDGPU_RAS_BLOCK__UMC);
	mutex_init(&adev->srbm_mutex);
	mutex_init(&adev->grbm_idx_mutex);
	mutex_init(&adev->notifier_lock);

	adev->pm.dpm_enabled = true;
	adev->pm.fw_version = 0x00558a00;
	adev->pm.pcie_gen_mask = CAIL_PCIE_LINK_SPEED_SUPPORT_GEN5;
	adev->pm.pcie_mlw_mask = CAIL_PCIE_LINK_WIDTH_SUPPORT_X16;
	adev->smuio.funcs = &mock_smuio_funcs;

	adev->reset_domain = &host->reset_domain;
	kref_init(&host->reset_domain.refcount);
	init_rwsem(&host->reset_domain.sem);

	adev->doorbell_index.first_non_cp = AMDGPU_DOORBELL_LAYOUT1_FIRST_NON_CP;
	adev->doorbell_index.last_non_cp = AMDGPU_DOORBELL_LAYOUT1_LAST_NON_CP;
	adev->doorbell_index.max_assignment = AMDGPU_DOORBELL_LAYOUT1_MAX_ASSIGNMENT << 1;
	/* the first page is amdgpu's */
	adev->doorbell.num_kernel_doorbells = PAGE_SIZE / sizeof(u32);

	mock_init_gfx(host);
	mock_init_memory(host);
	mock_init_xcp(host);
}

/**
 * mock_gpu_reset - reset the GPU as amdgpu_device_gpu_recover() does
 * @host: the mock GPU
 * @ctx: why
 *
 * Context: process context, may sleep; takes the reset domain for writing.
 * Return: 0 or a negative errno.
 */
int mock_gpu_reset(struct mock_host *host, struct amdgpu_reset_context *ctx)
{
	struct amdgpu_reset_domain *domain = &host->reset_domain;
	int ret;

	down_write(&domain->sem);
	atomic_set(&domain->in_gpu_reset, 1);
	dev_info(host->adev.dev, "GPU reset begin!\n");
	amdgpu_amdkfd_pre_reset(&host->adev, ctx);
	mock_hw_reset(&host->md);
	ret = amdgpu_amdkfd_post_reset(&host->adev);
	dev_info(host->adev.dev, "GPU reset end, ret %d\n", ret);
	atomic_set(&domain->in_gpu_reset, 0);
	up_write(&domain->sem);
	return ret;
}

static int mock_read_words(const char __user *ubuf, size_t len, char *buf, size_t size)
{
	if (len >= size)
		return -EINVAL;
	if (copy_from_user(buf, ubuf, len))
		return -EFAULT;
	buf[len] = '\0';
	return 0;
}

static ssize_t mock_suspend_write(struct file *file, const char __user *ubuf, size_t len,
				  loff_t *pos)
{
	struct mock_host *host = file->private_data;
	char buf[16], word[16];
	int ret;

	ret = mock_read_words(ubuf, len, buf, sizeof(buf));
	if (ret)
		return ret;
	if (sscanf(buf, "%15s", word) != 1)
		return -EINVAL;
	if (strcmp(word, "off"))
		amdgpu_amdkfd_suspend(&host->adev, false);
	if (strcmp(word, "on"))
		ret = amdgpu_amdkfd_resume(&host->adev, false);
	return ret ? ret : len;
}

static const struct file_operations mock_suspend_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = mock_suspend_write,
};

static ssize_t mock_halt_write(struct file *file, const char __user *ubuf, size_t len,
			       loff_t *pos)
{
	struct mock_host *host = file->private_data;
	char buf[16], word[16];
	unsigned int ms = 0;
	bool halt, start;
	int ret;

	ret = mock_read_words(ubuf, len, buf, sizeof(buf));
	if (ret)
		return ret;
	if (sscanf(buf, "%15s", word) != 1)
		return -EINVAL;
	halt = strcmp(word, "off");
	start = strcmp(word, "on");
	if (halt && start && kstrtouint(word, 0, &ms))
		return -EINVAL;

	if (halt)
		ret = amdgpu_amdkfd_stop_sched(&host->adev, 0);
	if (!ret && ms)
		msleep(ms);
	if (!ret && start)
		ret = amdgpu_amdkfd_start_sched(&host->adev, 0);
	return ret ? ret : len;
}

static const struct file_operations mock_halt_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = mock_halt_write,
};

static int mock_debugfs_reset(void *data, u64 val)
{
	struct mock_host *host = data;
	struct amdgpu_reset_context ctx = {
		.method = AMD_RESET_METHOD_NONE,
		.reset_req_dev = &host->adev,
		.src = AMDGPU_RESET_SRC_USER,
	};

	return mock_gpu_reset(host, &ctx);
}
DEFINE_DEBUGFS_ATTRIBUTE(mock_reset_fops, NULL, mock_debugfs_reset, "%llu\n");

struct mock_evict {
	struct mm_struct *mm;
	bool evict;
	bool resume;
	unsigned int ms;
};

/* As amdkfd in a kernel thread: SDMA's write pointers are read from the process */
static long mock_evict(void *data)
{
	struct mock_evict *e = data;
	int ret = 0;

	if (e->evict)
		ret = kgd2kfd_quiesce_mm(e->mm, KFD_QUEUE_EVICTION_TRIGGER_TTM);
	if (!ret && e->ms)
		msleep(e->ms);
	if (!ret && e->resume)
		ret = kgd2kfd_resume_mm(e->mm);
	return ret;
}

static ssize_t mock_evict_write(struct file *file, const char __user *ubuf, size_t len,
				loff_t *pos)
{
	struct mock_evict e = { .evict = true, .resume = true };
	struct mock_host *host = file->private_data;
	struct task_struct *task;
	bool vram = false;
	char buf[32], word[16];
	pid_t pid;
	int ret;

	ret = mock_read_words(ubuf, len, buf, sizeof(buf));
	if (ret)
		return ret;
	if (sscanf(buf, "%d %15s", &pid, word) != 2)
		return -EINVAL;
	if (!strcmp(word, "on"))
		e.resume = false;
	else if (!strcmp(word, "off"))
		e.evict = false;
	else if (!strcmp(word, "vram"))
		vram = true;
	else if (kstrtouint(word, 0, &e.ms))
		return -EINVAL;

	task = get_pid_task(find_vpid(pid), PIDTYPE_PID);
	if (!task)
		return -ESRCH;
	e.mm = get_task_mm(task);
	put_task_struct(task);
	if (!e.mm)
		return -ESRCH;
	if (vram)
		ret = mock_mem_evict(host, e.mm);
	else
		ret = work_on_cpu(raw_smp_processor_id(), mock_evict, &e);
	mmput(e.mm);
	return ret ? ret : len;
}

static const struct file_operations mock_evict_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = mock_evict_write,
};

static void mock_debugfs_init(struct mock_host *host)
{
	char name[24];

	snprintf(name, sizeof(name), "kfd_mock%d", host->index);
	host->md.debugfs = debugfs_create_dir(name, NULL);
	debugfs_create_atomic_t("violations", 0444, host->md.debugfs, &host->md.violations);
	debugfs_create_file("suspend", 0200, host->md.debugfs, host, &mock_suspend_fops);
	debugfs_create_file("halt", 0200, host->md.debugfs, host, &mock_halt_fops);
	debugfs_create_file_unsafe("reset", 0200, host->md.debugfs, host, &mock_reset_fops);
	debugfs_create_file("evict", 0200, host->md.debugfs, host, &mock_evict_fops);
}

static int mock_config(struct mock_host *host)
{
	struct mock_device *md = &host->md;

	if (!strcmp(mock_gpu, "mi300x")) {
		md->num_xcc = 8;
		md->cu_per_xcc = 4;
	} else if (!strcmp(mock_gpu, "mi308x")) {
		md->num_xcc = 4;
		md->cu_per_xcc = 20;
	} else {
		return -EINVAL;
	}
	if (mock_xcc)
		md->num_xcc = mock_xcc;
	if (mock_cu_per_xcc)
		md->cu_per_xcc = mock_cu_per_xcc;
	md->waves_per_cu = mock_waves_per_cu;
	if (!strcmp(mock_partition, "spx")) {
		host->partition_mode = AMDGPU_SPX_PARTITION_MODE;
		md->num_parts = 1;
	} else if (!strcmp(mock_partition, "dpx")) {
		host->partition_mode = AMDGPU_DPX_PARTITION_MODE;
		md->num_parts = 2;
	} else if (!strcmp(mock_partition, "qpx")) {
		host->partition_mode = AMDGPU_QPX_PARTITION_MODE;
		md->num_parts = 4;
	} else if (!strcmp(mock_partition, "cpx")) {
		host->partition_mode = AMDGPU_CPX_PARTITION_MODE;
		md->num_parts = md->num_xcc;
	} else {
		return -EINVAL;
	}
	if (md->num_xcc > MOCK_MAX_XCC || md->num_xcc % md->num_parts ||
	    md->cu_per_xcc > 40 || !md->waves_per_cu || md->waves_per_cu % 4)
		return -EINVAL;
	return 0;
}

static int mock_map_bar(struct mock_host *host, struct pci_dev *pdev)
{
	struct amdgpu_device *adev = &host->adev;
	resource_size_t base = pci_resource_start(pdev, MOCK_BAR);
	resource_size_t size = pci_resource_len(pdev, MOCK_BAR);
	int ret;

	if (size < SZ_64K)
		return -ENODEV;
	ret = pcim_request_region(pdev, MOCK_BAR, "amdgpu");
	if (ret)
		return ret;
	/* The type of mapping that user space gets of it, or PAT objects. */
	host->md.doorbell = (__force void *)pcim_iomap(pdev, MOCK_BAR, 0);
	if (!host->md.doorbell)
		return -ENOMEM;
	memset(host->md.doorbell, 0xff, size - PAGE_SIZE);	/* MOCK_DOORBELL_NONE */
	memset(host->md.doorbell + size - PAGE_SIZE, 0, PAGE_SIZE);

	/* Doorbells, and in the last page the registers that user space may map. */
	adev->doorbell.base = base;
	adev->doorbell.size = size - PAGE_SIZE;
	host->md.doorbell_size = adev->doorbell.size;
	adev->rmmio_remap.bus_addr = base + size - PAGE_SIZE;
	return 0;
}

static int mock_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct mock_host *host;
	struct drm_device *ddev;
	int ret;

	host = devm_drm_dev_alloc(&pdev->dev, &mock_drm_driver, struct mock_host, adev.ddev);
	if (IS_ERR(host))
		return PTR_ERR(host);
	ddev = &host->adev.ddev;
	host->md.adev = &host->adev;
	host->md.host = host;
	ret = mock_config(host);
	if (ret) {
		dev_err(&pdev->dev, "kfd_mock: bad parameters\n");
		return ret;
	}

	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	pci_set_master(pdev);
	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(48));
	if (ret)
		return ret;
	ret = mock_map_bar(host, pdev);
	if (ret)
		return ret;
	ret = drmm_mode_config_init(ddev);
	if (ret)
		return ret;
	ret = mock_xcp_alloc(host);
	if (ret)
		return ret;

	host->index = ida_alloc(&mock_ids, GFP_KERNEL);
	if (host->index < 0)
		return host->index;
	mock_init_adev(host, pdev);
	ret = mock_mem_init(host);
	if (ret)
		goto err_id;
	host->reset_domain.wq = alloc_ordered_workqueue("amdgpu-reset-dev", 0);
	if (!host->reset_domain.wq) {
		ret = -ENOMEM;
		goto err_mem;
	}
	mock_debugfs_init(host);
	ret = mock_svm_init(host);
	if (ret)
		goto err_wq;
	ret = mock_hw_init(&host->md);
	if (ret)
		goto err_svm;

	pci_set_drvdata(pdev, host);
	amdgpu_amdkfd_device_probe(&host->adev);
	amdgpu_amdkfd_device_init(&host->adev);
	ret = drm_dev_register(ddev, 0);
	if (ret)
		goto err_kfd;
	ret = mock_xcp_register(host);
	if (ret)
		goto err_drm;
	ret = amdgpu_amdkfd_drm_client_create(&host->adev);
	if (ret)
		goto err_xcp;

	dev_info(&pdev->dev, "kfd_mock: GPU %d, %s, %s: %u XCC x %u CU x %u waves\n", host->index,
		 mock_gpu, mock_partition, host->md.num_xcc, host->md.cu_per_xcc,
		 host->md.waves_per_cu);
	return 0;

err_xcp:
	mock_xcp_unregister(host);
err_drm:
	drm_dev_unregister(ddev);
err_kfd:
	debugfs_remove_recursive(host->md.debugfs);
	amdgpu_amdkfd_suspend(&host->adev, false);
	amdgpu_amdkfd_device_fini_sw(&host->adev);
	mock_hw_fini(&host->md);
	host->md.debugfs = NULL;
err_svm:
	mock_svm_fini(host);
err_wq:
	debugfs_remove_recursive(host->md.debugfs);
	destroy_workqueue(host->reset_domain.wq);
err_mem:
	mock_mem_fini(host);
err_id:
	ida_free(&mock_ids, host->index);
	return ret;
}

static void mock_remove(struct pci_dev *pdev)
{
	struct mock_host *host = pci_get_drvdata(pdev);

	debugfs_remove_recursive(host->md.debugfs);
	destroy_workqueue(host->reset_domain.wq);
	mock_xcp_unregister(host);
	drm_dev_unregister(&host->adev.ddev);
	amdgpu_amdkfd_suspend(&host->adev, false);
	amdgpu_amdkfd_device_fini_sw(&host->adev);
	mock_hw_fini(&host->md);
	mock_svm_fini(host);
	mock_mem_fini(host);
	xa_destroy(&host->adev.vm_manager.pasids);
	ida_free(&mock_ids, host->index);
}

static const struct pci_device_id mock_pci_ids[] = {
	{ PCI_DEVICE(0x1af4, 0x1110) },	/* QEMU's ivshmem-plain */
	{}
};
MODULE_DEVICE_TABLE(pci, mock_pci_ids);

static struct pci_driver mock_pci_driver = {
	.name = "amdgpu",
	.id_table = mock_pci_ids,
	.probe = mock_probe,
	.remove = mock_remove,
	.driver.suppress_bind_attrs = true,
};

static int __init mock_init(void)
{
	int ret;

	ret = amdgpu_amdkfd_init();
	if (ret)
		return ret;
	ret = pci_register_driver(&mock_pci_driver);
	if (ret)
		amdgpu_amdkfd_fini();
	return ret;
}

static void __exit mock_exit(void)
{
	/* this order is amdgpu's */
	amdgpu_amdkfd_fini();
	pci_unregister_driver(&mock_pci_driver);
	/* eviction fences are freed by RCU with a function of this module */
	rcu_barrier();
}

module_init(mock_init);
module_exit(mock_exit);

MODULE_DESCRIPTION("Mock AMD GPU for amdkfd");
MODULE_IMPORT_NS(DMA_BUF);
MODULE_LICENSE("Dual MIT/GPL");
