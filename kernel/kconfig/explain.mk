# SPDX-License-Identifier: GPL-2.0
#
# Adds a target `explainconfig` to the kernel's configuration targets. Make reads
# this file before its own because MAKEFILES names it; the rules count only where
# the kernel's Makefile has descended into scripts/kconfig, so that explain.c sees
# the environment (compiler, its version, architecture) that conf sees.

ifeq ($(obj),scripts/kconfig)
explain-objs := $(addprefix $(obj)/,confdata.o expr.o lexer.lex.o menu.o parser.tab.o \
	preprocess.o symbol.o util.o)

$(obj)/explain: $(EXPLAIN_SOURCE) $(obj)/conf
	$(HOSTCC) -O1 -Wall -I $(srctree)/scripts/kconfig -I $(srctree)/scripts/include \
		-o $@ $< $(explain-objs)

.PHONY: explainconfig
explainconfig: $(obj)/explain
	$< Kconfig > symbols.json
endif
