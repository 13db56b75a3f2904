# socrec: recommendations and behavior predictions inside PostgreSQL
#
#   make demo     build, start a private server, and show the main job
#   make check    build, start a private server, and run every test
#   make          build against the server that PG_CONFIG names
#   make install  install there;  make installcheck  test a running server

EXTENSION = socrec
EXTVERSION   = $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" socrec.control)

# One capability, one name: each of these is src/NAME.c, sql/NAME.sql,
# test/sql/NAME.sql, expected/NAME.out and docs/NAME.md (model is SQL only).
CAPABILITIES = svec similarity neighbors prediction factor metrics logistic model hybrid refresh batch weights behavior evaluation monitoring prepare describe profile segment

MODULE_big = socrec
OBJS       = $(patsubst %.c,%.o,$(filter-out src/$(BLAS_MODULE).c,$(wildcard src/*.c)))
# Linear algebra, a module that the other loads when it needs it.
BLAS_MODULE = socrec_blas
SQL_PARTS  = $(patsubst %,sql/%.sql,$(CAPABILITIES) ranking diversity method factor_items behavior_model behavior_metrics behavior_schema prepare_views evaluation_engine tuning version)
DATA_built = socrec--$(EXTVERSION).sql
EXTRA_CLEAN = socrec--*.sql build output_regress $(BLAS_MODULE).so src/$(BLAS_MODULE).o

PG_CPPFLAGS = -Isrc
PG_CFLAGS   = -std=gnu99 -O2 -ftree-vectorize -Wall -Wextra -Werror -Wno-unused-parameter \
              -Wno-sign-compare -Wno-missing-field-initializers -Wno-declaration-after-statement \
              -Wno-cast-function-type -Wno-clobbered
# The server's own flags and headers speak of what only gcc knows.
ifneq ($(findstring clang,$(CC)),)
PG_CFLAGS += -Wno-unknown-warning-option -Wno-ignored-optimization-argument \
             -Wno-unused-command-line-argument -Wno-ignored-attributes
endif
# Symbols of its own before those of another module with the same name.
SHLIB_LINK  = -lm -Wl,-Bsymbolic

# What needs linear algebra is tested where there is some to link with.
REGRESS        = $(CAPABILITIES) behavior_edges behavior_folds behavior_metrics behavior_use behavior_vectors factor_fits $(if $(strip $(BLAS_LIBS)),ease) golden catalog
# Not the default output folder, this one: pg_regress looks for sql/ there first.
REGRESS_OPTS   = --inputdir=test --outputdir=output_regress --load-extension=socrec
ISOLATION      = $(notdir $(basename $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --load-extension=socrec
TAP_TESTS      = 1
PROVE_TESTS    = test/t/*.pl

# The commands that set up what they need themselves must work before
# PostgreSQL's headers are there, so PGXS is left out for them.
OWN_GOALS = demo check lint dist
ifneq ($(filter $(OWN_GOALS),$(MAKECMDGOALS)),)

.PHONY: $(OWN_GOALS)
demo:
	@tools/demo "$(DATA)"
check:
	@tools/check
lint:
	@tools/lint
dist:
	git archive --prefix=socrec-$(EXTVERSION)/ -o socrec-$(EXTVERSION).zip HEAD

else

DATA = $(wildcard sql/updates/socrec--*--*.sql)

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

socrec--$(EXTVERSION).sql: $(SQL_PARTS)
	(printf '%s\n' '\echo Use "CREATE EXTENSION socrec" to load this file. \quit'; cat $^) > $@

$(OBJS): $(wildcard src/*.h)

# The first BLAS and LAPACK that a program can be linked with; none is fine, too.
# Those of one's own choice: make BLAS_LIBS='-lmkl_rt'.
blas_links = printf 'void sgemm_(void); void spotrf_(void); int main(void) { sgemm_(); spotrf_(); }' | \
             $(CC) -x c -o /dev/null - $(1) >/dev/null 2>&1 && echo '$(1)'
BLAS_LIBS ?= $(shell $(call blas_links,$(shell pkg-config --libs openblas 2>/dev/null)) || \
                     $(call blas_links,-lopenblas) || $(call blas_links,-llapack -lblas))
BLAS_LIBS := $(BLAS_LIBS)

ifneq ($(strip $(BLAS_LIBS)),)
blas_library = $(BLAS_MODULE)$(DLSUFFIX)

all: $(blas_library)
$(blas_library): src/$(BLAS_MODULE).c src/linear.h
	$(CC) $(CFLAGS) $(CFLAGS_SL) $(CPPFLAGS) -c -o src/$(BLAS_MODULE).o $<
	$(CC) $(CFLAGS) $(LDFLAGS) $(LDFLAGS_SL) -shared -o $@ src/$(BLAS_MODULE).o $(BLAS_LIBS)

install: install-blas
install-blas: $(blas_library) installdirs
	$(INSTALL_SHLIB) $< '$(DESTDIR)$(pkglibdir)/'
uninstall: uninstall-blas
uninstall-blas:
	rm -f '$(DESTDIR)$(pkglibdir)/$(blas_library)'
.PHONY: install-blas uninstall-blas
endif

# The same clusters on every machine: no fused multiply-add, which rounds differently.
src/kmeans.o: CFLAGS += -ffp-contract=off
src/kmeans.bc: BITCODE_CFLAGS += -ffp-contract=off

# Nobody reads traps of the floating-point unit: conditions are then selections, and loops vectors.
src/regression.o: CFLAGS += -fno-trapping-math
src/regression.bc: BITCODE_CFLAGS += -fno-trapping-math

# Nobody reads errno: square roots are then vectors, and AdaGrad three times as fast.
src/bpr.o: CFLAGS += -fno-math-errno
src/bpr.bc: BITCODE_CFLAGS += -fno-math-errno

endif
