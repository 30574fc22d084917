#include "tests/api/manifest_files.h"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace pannier::api {

std::string file_text(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::vector<std::filesystem::path> crd_files(const std::string& folder) {
  std::vector<std::filesystem::path> files;
  const auto root = std::filesystem::path(PANNIER_SOURCE_FOLDER) / "crds" / folder;
  for (const auto& entry : std::filesystem::directory_iterator(root))
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace pannier::api
