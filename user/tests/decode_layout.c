// SPDX-License-Identifier: GPL-2.0
/* Compiles if decode_v9.def agrees with the headers of the kernel's amdgpu. */
#include <stddef.h>
#include <stdint.h>

#include "v9_structs.h"
#include "gc/gc_9_4_3_offset.h"
#include "gc/gc_9_4_3_sh_mask.h"
#include "sdma/sdma_4_4_2_offset.h"
#include "sdma/sdma_4_4_2_sh_mask.h"

#define AT(type, word, name)	\
	_Static_assert(offsetof(struct type, name) == (word) * 4, #name)
#define AWAY(first, r, distance)	\
	_Static_assert(reg ## r - reg ## first == (distance), #r)

#define FIELD(word, name, kind, what)	AT(v9_mqd, word, name);
#define OTHER(word, name, kind, what)	AT(v9_mqd, word, name);
#define RANGE(word, name, first, last, what)	\
	AT(v9_mqd, word, name ## first);	\
	AT(v9_mqd, word + last - first, name ## last);
#define REG(word, name, r, kind, what)	\
	AT(v9_mqd, word, name);		\
	AWAY(CP_MQD_BASE_ADDR, r, word - 128);
#define SDMA(word, distance, name, r, kind, what)	\
	AT(v9_sdma_mqd, word, name);			\
	AWAY(SDMA_RLC0_RB_CNTL, SDMA_RLC0_ ## r, distance);
#define SDMA_WORD(word, name, kind, what)	AT(v9_sdma_mqd, word, name);
#define SDMA_REG(distance, r)	AWAY(SDMA_RLC0_RB_CNTL, SDMA_RLC0_ ## r, distance);
#define BITS(name, r, bits, first, number)	\
	_Static_assert(r ## __ ## bits ## __SHIFT == (first) &&	\
		       r ## __ ## bits ## _MASK == ((1ULL << (number)) - 1) << (first),	\
		       #r "." #bits);
#include "../decode_v9.def"

_Static_assert(sizeof(struct v9_mqd) == 512 * 4, "v9_mqd");
_Static_assert(sizeof(struct v9_sdma_mqd) == 128 * 4, "v9_sdma_mqd");
_Static_assert(offsetof(struct v9_mqd, cp_mqd_base_addr_lo) == 128 * 4, "first register");
_Static_assert(regCP_MQD_BASE_ADDR == 0x1245, "where the registers of an HQD begin");
_Static_assert(regCP_HQD_PQ_WPTR_HI - regCP_MQD_BASE_ADDR + 1 == 56, "registers of an HQD");
_Static_assert(regSDMA_RLC1_RB_CNTL - regSDMA_RLC0_RB_CNTL == 0x58, "distance of SDMA queues");
