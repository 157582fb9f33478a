// SPDX-License-Identifier: GPL-2.0
/*
 * The DRM device of the mock GPU: a render node that gives KFD its address
 * space, maps buffer objects, and answers what libdrm_amdgpu asks when it opens
 * a device (amdgpu_device_initialize() and amdgpu_query_gpu_info()).
 *
 * Partitions but the first have a DRM device for its render node alone: KFD's
 * topology names that node. What is opened there is the first one's device, as
 * amdgpu_xcp_dev_alloc() has it.
 *
 * DRIVER_MODESET, without a single CRTC, is there because drm_client_init(),
 * which amdkfd's GEM handles live in, insists on it. A headless MI300X does
 * the same.
 */
#include <linux/platform_device.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_ioctl.h>
#include <drm/amdgpu_drm.h>
#include "host.h"
#include "amdgpu_dma_buf.h"

/* As amdgpu of 6.12: see KMS_DRIVER_* in amdgpu_drv.c */
#define MOCK_DRM_MAJOR	3
#define MOCK_DRM_MINOR	61

/* mmGB_ADDR_CONFIG as user space names it, in libdrm's amdgpu_gpu_info.c */
#define MOCK_MMR_GB_ADDR_CONFIG	0x263e

static int mock_open(struct drm_device *dev, struct drm_file *file)
{
	struct amdgpu_device *adev = drm_to_adev(dev);
	struct mock_host *host = adev_to_host(adev);
	struct mock_fpriv *fpriv;
	struct amdgpu_xcp *xcp;
	int ret, i;

	fpriv = kzalloc(sizeof(*fpriv), GFP_KERNEL);
	if (!fpriv)
		return -ENOMEM;
	fpriv->base.xcp_id = AMDGPU_XCP_NO_PARTITION;
	fpriv->base.vm.mem_id = -1;
	for_each_xcp(adev->xcp_mgr, xcp, i) {
		if (file->minor == xcp->ddev->render) {
			fpriv->base.xcp_id = xcp->id;
			fpriv->base.vm.mem_id = xcp->mem_id;
		}
	}
	ret = mock_vm_open(host, fpriv);
	if (ret) {
		kfree(fpriv);
		return ret;
	}
	file->driver_priv = &fpriv->base;
	return 0;
}

static void mock_postclose(struct drm_device *dev, struct drm_file *file)
{
	struct mock_host *host = adev_to_host(drm_to_adev(dev));
	struct mock_fpriv *fpriv = container_of((struct amdgpu_fpriv *)file->driver_priv,
						struct mock_fpriv, base);

	mock_vm_close(host, fpriv);
	kfree(fpriv);
}

static int mock_dumb_create(struct drm_file *file, struct drm_device *dev,
			    struct drm_mode_create_dumb *args)
{
	return -EOPNOTSUPP;
}

static void mock_dev_info(struct amdgpu_device *adev, struct drm_amdgpu_info_device *info)
{
	struct amdgpu_gfx_config *config = &adev->gfx.config;
	struct amdgpu_cu_info *cu = &adev->gfx.cu_info;
	u64 vm_size = adev->vm_manager.max_pfn << AMDGPU_GPU_PAGE_SHIFT;
	int i, j;

	info->device_id = adev->pdev->device;
	info->chip_rev = adev->rev_id;
	info->external_rev = adev->external_rev_id;
	info->pci_rev = adev->pdev->revision;
	info->family = adev->family;
	info->num_shader_engines = config->max_shader_engines;
	info->num_shader_arrays_per_engine = config->max_sh_per_se;
	info->gpu_counter_freq = 100000;
	info->max_engine_clock = 2100000;
	info->max_memory_clock = 1300000;
	info->cu_active_number = cu->number;
	for (i = 0; i < 4; i++)
		for (j = 0; j < 4; j++)
			info->cu_bitmap[i][j] = cu->bitmap[0][i][j];
	info->num_rb_pipes = 0;
	info->num_hw_gfx_contexts = 8;
	info->virtual_address_offset = AMDGPU_VA_RESERVED_BOTTOM;
	info->virtual_address_max = min(vm_size - SZ_2M, AMDGPU_GMC_HOLE_START);
	if (vm_size > AMDGPU_GMC_HOLE_START) {
		info->high_va_offset = AMDGPU_GMC_HOLE_END;
		info->high_va_max = AMDGPU_GMC_HOLE_END | (vm_size - SZ_2M);
	}
	info->virtual_address_alignment = PAGE_SIZE;
	info->pte_fragment_size = SZ_2M;
	info->gart_page_size = AMDGPU_GPU_PAGE_SIZE;
	info->vram_type = AMDGPU_VRAM_TYPE_HBM;
	info->vram_bit_width = adev->gmc.vram_width;
	info->wave_front_size = cu->wave_front_size;
	info->num_shader_visible_vgprs = 512;
	info->num_cu_per_sh = config->max_cu_per_sh;
	info->tcp_cache_size = config->gc_tcp_size_per_cu;
	info->num_sqc_per_wgp = 1;
	info->sqc_data_cache_size = config->gc_l1_data_cache_size_per_sqc;
	info->sqc_inst_cache_size = config->gc_l1_instruction_cache_size_per_sqc;
	info->gl2c_cache_size = config->gc_tcc_size;
	info->mall_size = adev->gmc.mall_size;
	info->pcie_gen = 5;
	info->pcie_num_lanes = 16;
}

static void mock_memory_info(struct amdgpu_device *adev, struct drm_amdgpu_memory_info *mem)
{
	mem->vram.total_heap_size = adev->gmc.real_vram_size;
	mem->vram.usable_heap_size = adev->gmc.real_vram_size - AMDGPU_VM_RESERVED_VRAM;
	mem->vram.heap_usage = adev->kfd.vram_used[0];
	mem->vram.max_allocation = mem->vram.usable_heap_size / 4 * 3;
	mem->cpu_accessible_vram = mem->vram;
	mem->gtt.total_heap_size = (u64)totalram_pages() / 2 * PAGE_SIZE;
	mem->gtt.usable_heap_size = mem->gtt.total_heap_size;
	mem->gtt.max_allocation = mem->gtt.usable_heap_size / 4 * 3;
}

static int mock_fw_info(struct amdgpu_device *adev, u32 type, struct drm_amdgpu_info_firmware *fw)
{
	switch (type) {
	case AMDGPU_INFO_FW_GFX_MEC:
		fw->ver = adev->gfx.mec_fw_version;
		break;
	case AMDGPU_INFO_FW_GFX_RLC:
		fw->ver = adev->gfx.rlc_fw_version;
		break;
	case AMDGPU_INFO_FW_SDMA:
		fw->ver = adev->sdma.instance[0].fw_version;
		break;
	case AMDGPU_INFO_FW_SMC:
		fw->ver = adev->pm.fw_version;
		break;
	case AMDGPU_INFO_FW_VCE:
	case AMDGPU_INFO_FW_UVD:
	case AMDGPU_INFO_FW_VCN:
	case AMDGPU_INFO_FW_GMC:
	case AMDGPU_INFO_FW_GFX_ME:
	case AMDGPU_INFO_FW_GFX_PFP:
	case AMDGPU_INFO_FW_GFX_CE:
	case AMDGPU_INFO_FW_SOS:
	case AMDGPU_INFO_FW_ASD:
	case AMDGPU_INFO_FW_TA:
		break;
	default:
		return -EINVAL;
	}
	return 0;
}

static int mock_info_ioctl(struct drm_device *dev, void *data, struct drm_file *file)
{
	struct amdgpu_device *adev = drm_to_adev(dev);
	struct drm_amdgpu_info *info = data;
	void __user *out = u64_to_user_ptr(info->return_pointer);
	size_t size = info->return_size;
	union {
		u32 u32;
		u64 u64;
		u32 regs[128];
		struct drm_amdgpu_info_device dev;
		struct drm_amdgpu_info_firmware fw;
		struct drm_amdgpu_info_vram_gtt vram_gtt;
		struct drm_amdgpu_memory_info mem;
		struct drm_amdgpu_info_hw_ip ip;
		struct drm_amdgpu_info_gds gds;
	} *res;
	int ret = 0;
	u32 len, i;

	if (!size || !out)
		return -EINVAL;
	res = kzalloc(sizeof(*res), GFP_KERNEL);
	if (!res)
		return -ENOMEM;

	switch (info->query) {
	case AMDGPU_INFO_ACCEL_WORKING:
		res->u32 = 1;
		len = sizeof(res->u32);
		break;
	case AMDGPU_INFO_DEV_INFO:
		mock_dev_info(adev, &res->dev);
		len = sizeof(res->dev);
		break;
	case AMDGPU_INFO_READ_MMR_REG:
		if (info->read_mmr_reg.count > ARRAY_SIZE(res->regs)) {
			ret = -EINVAL;
			break;
		}
		for (i = 0; i < info->read_mmr_reg.count; i++) {
			if (info->read_mmr_reg.dword_offset + i != MOCK_MMR_GB_ADDR_CONFIG) {
				ret = -EFAULT;
				break;
			}
			res->regs[i] = adev->gfx.config.gb_addr_config;
		}
		len = info->read_mmr_reg.count * sizeof(u32);
		break;
	case AMDGPU_INFO_FW_VERSION:
		ret = mock_fw_info(adev, info->query_fw.fw_type, &res->fw);
		len = sizeof(res->fw);
		break;
	case AMDGPU_INFO_VRAM_GTT:
		res->vram_gtt.vram_size = adev->gmc.real_vram_size - AMDGPU_VM_RESERVED_VRAM;
		res->vram_gtt.vram_cpu_accessible_size = res->vram_gtt.vram_size;
		res->vram_gtt.gtt_size = (u64)totalram_pages() / 2 * PAGE_SIZE;
		len = sizeof(res->vram_gtt);
		break;
	case AMDGPU_INFO_MEMORY:
		mock_memory_info(adev, &res->mem);
		len = sizeof(res->mem);
		break;
	case AMDGPU_INFO_VRAM_USAGE:
	case AMDGPU_INFO_VIS_VRAM_USAGE:
		res->u64 = adev->kfd.vram_used[0];
		len = sizeof(res->u64);
		break;
	case AMDGPU_INFO_GTT_USAGE:
	case AMDGPU_INFO_NUM_BYTES_MOVED:
	case AMDGPU_INFO_NUM_EVICTIONS:
	case AMDGPU_INFO_NUM_VRAM_CPU_PAGE_FAULTS:
		len = sizeof(res->u64);
		break;
	case AMDGPU_INFO_TIMESTAMP:
		res->u64 = adev->gfx.funcs->get_gpu_clock_counter(adev);
		len = sizeof(res->u64);
		break;
	case AMDGPU_INFO_HW_IP_COUNT:
		res->u32 = info->query_hw_ip.type == AMDGPU_HW_IP_DMA ?
			   adev->sdma.num_instances :
			   info->query_hw_ip.type == AMDGPU_HW_IP_COMPUTE;
		len = sizeof(res->u32);
		break;
	case AMDGPU_INFO_HW_IP_INFO:
		if (info->query_hw_ip.type == AMDGPU_HW_IP_COMPUTE) {
			res->ip.hw_ip_version_major = 9;
			res->ip.hw_ip_version_minor = 4;
			res->ip.ip_discovery_version = adev->ip_versions[GC_HWIP][0];
		}
		/* no ring: nothing can be submitted here */
		len = sizeof(res->ip);
		break;
	case AMDGPU_INFO_GDS_CONFIG:
		res->gds.gws_per_compute_partition = adev->gds.gws_size;
		len = sizeof(res->gds);
		break;
	default:
		ret = -EINVAL;
	}
	if (!ret && copy_to_user(out, res, min_t(size_t, size, len)))
		ret = -EFAULT;
	kfree(res);
	return ret;
}

static const struct drm_ioctl_desc mock_ioctls[] = {
	DRM_IOCTL_DEF_DRV(AMDGPU_INFO, mock_info_ioctl, DRM_AUTH | DRM_RENDER_ALLOW),
};

static const struct file_operations mock_fops = {
	.owner = THIS_MODULE,
	.open = drm_open,
	.release = drm_release,
	.unlocked_ioctl = drm_ioctl,
	.compat_ioctl = drm_compat_ioctl,
	.mmap = drm_gem_mmap,
	.poll = drm_poll,
	.read = drm_read,
	.fop_flags = FOP_UNSIGNED_OFFSET,
};

const struct drm_driver mock_drm_driver = {
	.driver_features = DRIVER_GEM | DRIVER_RENDER | DRIVER_MODESET,
	.open = mock_open,
	.postclose = mock_postclose,
	.dumb_create = mock_dumb_create,
	.gem_prime_import = amdgpu_gem_prime_import,
	.ioctls = mock_ioctls,
	.num_ioctls = ARRAY_SIZE(mock_ioctls),
	.fops = &mock_fops,
	.name = "amdgpu",
	.desc = "Mock AMD GPU",
	.date = "20150101",
	.major = MOCK_DRM_MAJOR,
	.minor = MOCK_DRM_MINOR,
};

static const struct drm_driver mock_xcp_driver = {
	.driver_features = DRIVER_GEM | DRIVER_RENDER,
	.name = "amdgpu_xcp_drv",
	.desc = "Mock AMD GPU partition",
	.date = "20230301",
	.major = 1,
};

static void mock_xcp_free(void *data)
{
	struct drm_device *ddev = data;
	struct platform_device *pdev = to_platform_device(ddev->dev);

	ddev->render->dev = ddev;
	ddev->primary->dev = ddev;
	drm_dev_put(ddev);
	platform_device_unregister(pdev);
}

/**
 * mock_xcp_alloc - allocate the DRM devices of the partitions
 * @host: the mock GPU
 *
 * Return: 0 or a negative errno. They are freed with the PCI device.
 */
int mock_xcp_alloc(struct mock_host *host)
{
	struct amdgpu_xcp *xcp = host->xcp_mgr.xcp;
	struct drm_device *ddev = &host->adev.ddev;
	struct platform_device *pdev;
	unsigned int i;
	int ret;

	xcp[0].ddev = ddev;
	for (i = 1; i < host->md.num_parts; i++) {
		pdev = platform_device_register_simple("amdgpu_xcp", PLATFORM_DEVID_AUTO, NULL, 0);
		if (IS_ERR(pdev))
			return PTR_ERR(pdev);
		xcp[i].ddev = drm_dev_alloc(&mock_xcp_driver, &pdev->dev);
		if (IS_ERR(xcp[i].ddev)) {
			platform_device_unregister(pdev);
			return PTR_ERR(xcp[i].ddev);
		}
		xcp[i].ddev->render->dev = ddev;
		xcp[i].ddev->primary->dev = ddev;
		ret = devm_add_action_or_reset(ddev->dev, mock_xcp_free, xcp[i].ddev);
		if (ret)
			return ret;
	}
	return 0;
}

int mock_xcp_register(struct mock_host *host)
{
	unsigned int i;
	int ret;

	for (i = 1; i < host->md.num_parts; i++) {
		ret = drm_dev_register(host->xcp_mgr.xcp[i].ddev, 0);
		if (ret) {
			mock_xcp_unregister(host);
			return ret;
		}
	}
	return 0;
}

void mock_xcp_unregister(struct mock_host *host)
{
	unsigned int i;

	for (i = 1; i < host->md.num_parts; i++)
		drm_dev_unregister(host->xcp_mgr.xcp[i].ddev);
}

int amdgpu_file_to_fpriv(struct file *filp, struct amdgpu_fpriv **fpriv)
{
	struct drm_file *file;

	if (!filp || filp->f_op != &mock_fops)
		return -EINVAL;
	file = filp->private_data;
	if (!file || !file->driver_priv)
		return -EINVAL;
	*fpriv = file->driver_priv;
	return 0;
}
