#include "core/thread.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace driftd {

void name_thread(const std::string& name) {
  (void)::prctl(PR_SET_NAME, name.c_str());
}

void lower_thread_priority() {
  constexpr int kNice = 10;
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);
}

NewThreadsNamed::NewThreadsNamed(const std::string& name) {
  char own[16] = {};
  (void)::prctl(PR_GET_NAME, own);
  own_ = own;
  name_thread(name);
}

NewThreadsNamed::~NewThreadsNamed() {
  name_thread(own_);
}

}  // namespace driftd
