# SPDX-License-Identifier: Apache-2.0
# Warnings and hardening of every target of ours: link `sallyport_flags`.
add_library(sallyport_flags INTERFACE)
target_include_directories(sallyport_flags INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR} ${PROJECT_SOURCE_DIR}/include)
target_compile_definitions(sallyport_flags INTERFACE _GNU_SOURCE)
target_compile_options(sallyport_flags INTERFACE
  $<$<COMPILE_LANGUAGE:C>:-Wall;-Wextra;-Wconversion;-Wsign-conversion;-Wshadow;-Wcast-qual;-Wformat=2;-Wstrict-prototypes;-Wmissing-prototypes;-Wold-style-definition;-Wundef;-Wvla;-Walloca;-Wnull-dereference>
  $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wno-missing-field-initializers>
  -fstack-clash-protection -fcf-protection=full
  $<$<AND:$<COMPILE_LANGUAGE:C>,$<C_COMPILER_ID:GNU>>:-ftrivial-auto-var-init=zero;-fzero-call-used-regs=used-gpr>
  $<$<BOOL:${SALLYPORT_WERROR}>:-Werror>
  $<$<BOOL:${SALLYPORT_SANITIZE}>:-fsanitize=address,undefined;-fno-omit-frame-pointer;-fno-sanitize-recover=undefined>
  $<$<NOT:$<BOOL:${SALLYPORT_SANITIZE}>>:$<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=3>;-fstack-protector-strong>)
target_link_options(sallyport_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code
  $<$<BOOL:${SALLYPORT_SANITIZE}>:-fsanitize=address,undefined>)
