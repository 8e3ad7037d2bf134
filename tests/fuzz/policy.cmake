# SPDX-License-Identifier: Apache-2.0
add_executable(policy_fuzz policy_fuzz.cc)
target_link_libraries(policy_fuzz PRIVATE sallyport_policy sallyport_rules sallyport_ipc sallyport_flags)
set(seeds ${PROJECT_SOURCE_DIR}/policy/presets ${PROJECT_SOURCE_DIR}/tests/unit/policy/malformed)
