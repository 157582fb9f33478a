# SPDX-License-Identifier: GPL-2.0
# Names for what the scripts do.

help:
	@echo 'make demo      build everything, run the four demo runs, print the table'
	@echo 'make demo ROCM=1  the same with programs on the HSA runtime, then on HIP (or ROCM=hsa, hip, nice)'
	@echo 'make bench     measure what preemption costs and gives (PARTS="tick load ...")'
	@echo 'make check     build everything, run all tests'
	@echo 'make user      libgpreempt and the gpreempt command, in build/user'
	@echo 'make install-user  install both (DESTDIR, PREFIX=/usr/local, LIBDIR)'
	@echo 'make lint      what reads and compiles of it: no kernel, no machine (some minutes)'
	@echo 'make bisect    build each patch of the series and run its tests (half an hour; ARGS="-t none")'
	@echo 'make tree      build/linux: Linux 6.12 with the series applied'
	@echo 'make kernel    the normal kernel and the mock GPU (FLAVOUR=debug: the debug one)'
	@echo 'make vm-shell  a shell in a machine whose GPU is the mock'
	@echo 'make export    write the commits in build/linux back to patches/ and our files'
	@echo 'make mutants   break the driver on purpose and see the tests fail'
	@echo 'make torture   move queues at random for long (FLAVOUR MODE SEED N XCC ARGS)'
	@echo 'make thunk     build/thunk: libhsakmt with functions to preempt and resume a queue'
	@echo 'make deb       Debian packages in build/deb, without building a kernel'
	@echo 'make deb-test  install them in a Debian root, boot its own kernel (WHAT="mock driver")'
	@echo 'make kernel-deb  packages of a whole kernel (CONFIG=file: its configuration)'
	@echo 'make clean     remove build/'

tree:
	@scripts/tree

FLAVOUR ?= normal
kernel: tree
	@scripts/kernel $(FLAVOUR)

export:
	@scripts/export

demo: tree
	@scripts/kernel normal
	@$(if $(ROCM),for pair in $(if $(filter 1,$(ROCM)),hsa hip,$(ROCM)); do \
		rocm/run $$pair $(ARGS) || exit 1; done,demo/run)

bench: tree
	@scripts/kernel normal
	@bench/run $(PARTS)

check: tree
	@scripts/prepare lint
	@scripts/check

lint: tree
	@scripts/prepare lint
	@scripts/check lint

bisect: tree
	@scripts/bisect $(ARGS)

mutants: tree
	@scripts/prepare
	@scripts/mutate

torture: tree
	@scripts/prepare
	@scripts/check 'build selftests' 'build $(FLAVOUR)'
	@FLAVOUR=$(FLAVOUR) MODE=$(MODE) SEED=$(SEED) N=$(N) XCC=$(XCC) scripts/torture $(ARGS)

vm-shell: kernel
	@scripts/prepare
	@$(MAKE) -s -C tools/testing/selftests/kfd_gpreempt OUTPUT=$(CURDIR)/build/selftests \
		KERNEL_SRC=$(CURDIR)/build/linux LDFLAGS=-static
	@$(MAKE) -s -C user OUTPUT=$(CURDIR)/build/user-static STATIC=1 \
		$(CURDIR)/build/user-static/gpreempt
	@vm/run --shell --kernel build/$(FLAVOUR) --mod build/$(FLAVOUR)/amdgpu.ko \
		--add build/selftests:/t --add build/user-static/gpreempt:/bin/gpreempt

user:
	@$(MAKE) -s -C user

install-user:
	@$(MAKE) -s -C user install

thunk:
	@scripts/thunk

deb: tree
	@scripts/deb

deb-test: deb
	@scripts/deb-test $(WHAT)

kernel-deb: tree
	@CONFIG='$(CONFIG)' scripts/kernel-deb

clean:
	rm -rf build

.PHONY: help tree kernel export demo bench check mutants torture vm-shell user install-user \
	thunk lint bisect deb deb-test kernel-deb clean
