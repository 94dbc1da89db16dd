// Files of a private server with which the next one cannot start.
#include "local_server/server_leftovers.hpp"

#include <time.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>
#include <system_error>
#include <vector>

#include "local_server/server_program.hpp"
#include "runtime/identity.hpp"

namespace dlock::local_server {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view aside_name = "broken-";
constexpr std::size_t max_aside = 3;

std::string now() {
  const auto seconds = ::time(nullptr);
  tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  return {text, ::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &parts)};
}

void note(const std::string& directory, const std::string& what) {
  std::ofstream log{directory + "/" + std::string{log_name}, std::ios::app};
  log << "dlock " << runtime::process_id() << " " << now() << " # " << what << '\n';
}

// Reads `text` from the front.
class Commands {
 public:
  explicit Commands(std::string_view text) : text_(text) {}

  // The length of the whole commands at its front.
  std::size_t whole() {
    std::size_t end = 0;
    while (take_command()) end = at_;
    return end;
  }

 private:
  bool take_command() {
    if (text_.substr(at_).starts_with('#')) return take_line();  // a note of the time
    std::size_t words = 0;
    if (!take_head('*', words)) return false;
    for (std::size_t size = 0; words > 0; --words) {
      if (!take_head('$', size) || size > text_.size() - at_) return false;
      at_ += size;
      if (!take("\r\n")) return false;
    }
    return true;
  }
  bool take_head(char kind, std::size_t& value) {
    if (!take({&kind, 1})) return false;
    const auto* const begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    at_ += static_cast<std::size_t>(end - begin);
    return error == std::errc{} && take("\r\n");
  }
  bool take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  bool take_line() {
    const auto end = text_.find("\r\n", at_);
    if (end == text_.npos) return false;
    at_ = end + 2;
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::vector<fs::path> entries(const fs::path& directory) {
  std::error_code error;
  fs::directory_iterator begin{directory, error};
  std::vector<fs::path> paths;
  for (; !error && begin != fs::directory_iterator{}; begin.increment(error)) {
    paths.push_back(begin->path());
  }
  std::ranges::sort(paths);
  return paths;
}

bool is_aside(const fs::path& path) { return path.filename().string().starts_with(aside_name); }

}  // namespace

void cut_off_broken_ends(const std::string& directory) {
  for (const auto& path : entries(fs::path{directory} / data_name)) {
    if (path.extension() != ".aof") continue;
    std::ifstream file{path, std::ios::binary};
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    const auto whole = Commands{text}.whole();
    std::error_code error;
    if (whole == text.size() || text.starts_with("REDIS")) continue;  // another format
    fs::resize_file(path, whole, error);
    if (!error) {
      note(directory, "cut off " + std::to_string(text.size() - whole) + " bytes at the end of " +
                          path.string() + ", which are no commands");
    }
  }
}

std::string set_aside(const std::string& directory) {
  const auto files = entries(directory);
  std::error_code error;
  const auto name = (directory + "/").append(aside_name) + now();
  auto aside = name;
  for (int i = 1; !fs::create_directory(aside, error) && !error && i < 100; ++i) {
    aside = name + "-" + std::to_string(i);
  }
  if (error) return {};
  fs::permissions(aside, fs::perms::owner_all, error);
  std::vector<fs::path> former;
  for (const auto& file : files) {
    if (is_aside(file)) {
      former.push_back(file);
    } else if (file.filename() != "server.lock") {
      fs::rename(file, fs::path{aside} / file.filename(), error);
      // A directory of another user can be renamed, but not moved.
      if (error) fs::rename(file, aside + "." + file.filename().string(), error);
    }
  }
  for (std::size_t i = 0; i + max_aside - 1 < former.size(); ++i) {
    fs::remove_all(former[i], error);
  }
  note(directory, "the server could not start with the data that was here; it is in " + aside);
  return aside;
}

void put_back(const std::string& directory, const std::string& aside) {
  std::error_code error;
  const auto put = [&](const fs::path& file, const std::string& name) {
    const auto place = fs::path{directory} / name;
    fs::remove_all(place, error);
    fs::rename(file, place, error);
  };
  for (const auto& file : entries(aside)) put(file, file.filename().string());
  fs::remove(aside, error);
  for (const auto& file : entries(directory)) {
    const auto path = file.string();
    if (path.starts_with(aside + ".")) put(file, path.substr(aside.size() + 1));
  }
}

}  // namespace dlock::local_server
