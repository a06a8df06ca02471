# Tests: found by wildcard. tests/README.md says how to write one.

UNITS    := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/*_test.c))
FUZZERS  := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
PROGRAMS := $(patsubst tests/programs/%.c,%,$(wildcard tests/programs/*.c))
BENCHES  := $(patsubst tests/bench/%.c,%,$(wildcard tests/bench/bench_*.c))
TORTURES := $(patsubst tests/torture/%.c,%,$(wildcard tests/torture/*.c))
SCRIPTS  := $(sort $(wildcard tests/integration/test_*.sh \
	tests/integration/test_*.py))
ROUNDS   ?= 200
JOBS     ?= $(shell nproc)

support  := $(call objs,tests/support)
UNIT_BINS    := $(UNITS:%=$B/test/%)
PROGRAM_BINS := $(PROGRAMS:%=$B/test/programs/%)
REPLAY_BINS  := $(FUZZERS:%=$B/test/%)
TORTURE_BINS := $(TORTURES:%=$B/test/torture/%)
BENCH_BINS   := $(BENCHES:%=$B/bench/%)
TEST_OBJS := $(call objs,tests/unit tests/support tests/programs tests/bench \
	tests/torture tests/fuzz)

WRAP := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
linked = $(Q)$(CC) $(ALL_LDFLAGS) $1 -o $@ $(filter %.o,$^) \
	$(filter %.a,$^) $2 $(LIBS)

$(UNIT_BINS): $B/test/%: $B/tests/unit/%.o $(support) $(CLI) $(CORE)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(call linked,$(WRAP),-lcmocka)
# the corpus replay; `make fuzz-NAME` searches
$(REPLAY_BINS): $B/test/%: $B/tests/fuzz/%.o $B/tests/fuzz/replay.o $(CLI) $(CORE)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(call linked,,)
$(TORTURE_BINS): $B/test/torture/%: $B/tests/torture/%.o $(CORE)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(call linked,,)
$(BENCH_BINS): $B/bench/%: $B/tests/bench/%.o $(CLI) $(CORE)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(call linked,,-ldl $(if $(wildcard /usr/include/lttng/tracepoint.h \
		/usr/include/*/lttng/tracepoint.h),-llttng-ust))
# what tests run and record: plain programs that know nothing of us
$(PROGRAM_BINS): $B/test/programs/%: $B/tests/programs/%.o
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -ldl

test-programs: all $(UNIT_BINS) $(REPLAY_BINS) $(TORTURE_BINS) $(PROGRAM_BINS)

# One line a test for tests/run: name, seconds it may take, command.
line = $(empty)printf '%s\t%s\t%s\n' '$1' '$2' '$3';
units.lines   = $(foreach t,$(UNITS),$(call line,unit/$t$1,180,$B/test/$t))
fuzz.lines    = $(foreach t,$(FUZZERS),$(call line,$t$1,120,$B/test/$t tests/fuzz/corpus/$(t:fuzz_%=%)))
torture.lines = $(foreach t,$(TORTURES),$(call line,torture/$t,300,$B/test/torture/$t $(ROUNDS)))
script.lines  = $(foreach t,$(SCRIPTS),$(call line,$(t:tests/%=%),300,$t))

export MF_BUILD      := $(abspath $B)
export MFTRACE       := $(abspath $B/bin/mftrace)
export MFRECORD_SO   := $(abspath $B/lib/mfcore/libmfrecord.so)
export TEST_PYTHON   := $(abspath $(VENV_PYTHON))
run = $(Q)VENV_PYTHON=$(TEST_PYTHON) tests/run -j $(JOBS) $1

check: deps ## install what is missing, run every test and the quick lints
	+@$(MAKE) venv compile-check
	+@$(MAKE) run-check
compile-check: test-programs
	+@$(MAKE) VARIANT=asan test-programs
run-check:
	@{ $(call units.lines,) $(torture.lines) $(script.lines) \
	$(call line,lint/fast,600,$(MAKE) -s -k lint-fast) } >$O/check.list
	+@$(MAKE) -s VARIANT=asan list-asan >>$O/check.list
	$(call run,$O/check.list)
list-asan:
	@{ $(call units.lines, (asan)) $(call fuzz.lines, (asan)) :; }

check-unit: $(UNIT_BINS) ## the unit tests of this VARIANT only
	@mkdir -p $O; { $(call units.lines,) :; } >$B/unit.list
	$(call run,$B/unit.list)
coverage: ## the lines of each room that its unit tests reach
	@find $O/cov -name '*.gcda' -delete 2>/dev/null; :
	+@$(MAKE) -s VARIANT=cov check-unit
	@find $O/cov/libmfcore -name '*.gcda' | xargs gcov -n 2>/dev/null | \
		awk -f tests/lint/coverage.awk | sort
check-integration: all $(PROGRAM_BINS) $(VENV)/.stamp ## the integration tests only
	@{ $(script.lines) :; } >$B/integration.list
	$(call run,$B/integration.list)
# one of them: make check-journal_test, make check-test_record.sh
$(UNITS:%=check-%): check-%: $B/test/%
	$(Q)CMOCKA_MESSAGE_OUTPUT=TAP $<
$(foreach s,$(SCRIPTS),$(eval check-$(notdir $s): all $(PROGRAM_BINS) $(VENV)/.stamp ; \
	@{ $$(call line,$(s:tests/%=%),300,$s) } >$B/one.list; VENV_PYTHON=$(TEST_PYTHON) tests/run -v $B/one.list))

torture: ROUNDS = 10000
torture: $(TORTURE_BINS) ## the crash tests, 10,000 rounds (ROUNDS=N)
	$(Q)for t in $^; do $$t $(ROUNDS) || exit 1; done

bench: deps-bench venv ## measure, print the tables
	+@$(MAKE) run-bench
run-bench: all $(BENCH_BINS) $(PROGRAM_BINS)
	$(Q)for b in $(BENCH_BINS) $(sort $(wildcard tests/bench/bench_*.sh tests/bench/bench_*.py)); do \
		echo "== $$(basename $$b)"; VENV_PYTHON=$(TEST_PYTHON) $$b || exit 1; done

# libFuzzer under clang: make fuzz-NAME FUZZ_SECONDS=60
FUZZ_SECONDS ?= 60
FUZZ_FLAGS := -std=gnu17 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined \
	-fno-sanitize-recover=all -DMF_VERSION='"$(VERSION)"'
$(FUZZERS:fuzz_%=fuzz-%): fuzz-%: tests/fuzz/fuzz_%.c FORCE ## fuzz-NAME: search for inputs that break NAME
	@mkdir -p $O/fuzz/$* tests/fuzz/corpus/$*
	$(call say,FUZZ,$<)
	$(Q)clang $(FUZZ_FLAGS) -Ilibmfcore/include -Ilibmfcore -Itests \
		-o $O/fuzz/fuzz_$* $< $(call srcs,$(core.dirs) $(cli.dirs)) $(LIBS)
	$(Q)$O/fuzz/fuzz_$* -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 \
		-artifact_prefix=$O/fuzz/ $O/fuzz/$* tests/fuzz/corpus/$*

.PHONY: bench check check-integration check-unit compile-check coverage list-asan \
	run-bench run-check test-programs torture

demo: deps-build ## record a real Metaflow run on this machine and show what is known of it
	+@$(MAKE) venv all
	$(Q)tests/demo/demo $(MFTRACE) $(TEST_PYTHON) $(abspath $O/demo)
.PHONY: demo
