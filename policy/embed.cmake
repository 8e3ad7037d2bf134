# SPDX-License-Identifier: Apache-2.0
# cmake -DOUTPUT=FILE.c "-DPRESETS=FILE.policy;…" -P embed.cmake: writes the table sp_presets of presets.h.
set(texts "")
set(rows "")
foreach(file ${PRESETS})
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
  string(APPEND texts "static const unsigned char text_${name}[] = {\n${bytes}};\n")
  string(APPEND rows "\t{\"${name}\", \"preset ${name}\", text_${name}, sizeof(text_${name})},\n")
endforeach()
file(WRITE ${OUTPUT}.new "/* Made by policy/embed.cmake. */\n#include \"policy/presets.h\"\n\n${texts}
const struct sp_preset sp_presets[] = {\n${rows}};\nconst size_t sp_preset_count = sizeof(sp_presets) / sizeof(sp_presets[0]);\n")
file(COPY_FILE ${OUTPUT}.new ${OUTPUT} ONLY_IF_DIFFERENT)
file(REMOVE ${OUTPUT}.new)
