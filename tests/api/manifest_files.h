// The files of crds/ and crds/samples/, for tests.
//
// Pure but for reading files; any thread.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace pannier::api {

std::string file_text(const std::filesystem::path& file);
// The *.yaml of a folder under crds/, sorted; not those of its folders.
std::vector<std::filesystem::path> crd_files(const std::string& folder);

}  // namespace pannier::api
