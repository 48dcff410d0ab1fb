"""The files that `mongojobs init` prints: each passes the check of its platform, and its commands are ours."""

import asyncio
import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import compose_spec
import fastapi
import flask
import flask_login
import kubernetes_validate
import pytest
import yaml

import mongojobs
from mongojobs import testing
from mongojobs.cli.init import FRAMEWORKS, PLATFORMS
from tests.support.command_here import run_here
from tests.support.command_line import ROOT

HARMLESS = ["--queues=mail,sms", "--threads=4", "--processes=2"]
ODD_QUEUE = """it's "odd" $HOME $(id) %i {x}"""


@pytest.fixture
def printed(tmp_path, monkeypatch):
    """Returns what `init` prints."""
    monkeypatch.chdir(tmp_path)

    def printed(*arguments):
        answer = run_here("--app", "shop.jobs:app", "init", *arguments)
        assert answer.exit_code == 0, answer.output
        return answer.stdout

    return printed


def is_understood(words):
    """Whether our own command line knows these words; it stops at the help, after having read them all."""
    assert Path(words[0]).name == "mongojobs", words
    return run_here(*words[1:], "--help").exit_code == 0


def options_of(words):
    return [word for word in words if word.startswith("--")]


def unit_words(line):
    """Take a command line of systemd apart: double quotes, backslashes, doubled % and $."""
    words = shlex.split(line)
    return [word.replace("%%", "%").replace("$$", "$") for word in words]


class Printed:
    """How the commands are found in the file of each platform."""

    @staticmethod
    def procfile(text):
        return [shlex.split(line.partition(": ")[2]) for line in text.splitlines()]

    @staticmethod
    def docker(text):
        return [json.loads(found) for found in re.findall(r"CMD (\[.*\])", text)]

    @staticmethod
    def compose(text):
        services = yaml.safe_load(text)["services"].values()
        health = [service["healthcheck"]["test"][1:] for service in services if "test" in service["healthcheck"]]
        found = [*(service["command"] for service in services), *health]
        return [[word.replace("$$", "$") for word in words] for words in found]

    @staticmethod
    def k8s(text):
        pod = yaml.safe_load(text)["spec"]["template"]["spec"]
        found = [one["command"] for one in [*pod["initContainers"], *pod["containers"]]]
        return [[word.replace("$$(", "$(") for word in words] for words in found]

    @staticmethod
    def systemd(text):
        return [unit_words(found) for found in re.findall(r"^ExecStart(?:Pre)?=(.*)$", text, re.MULTILINE)]

    @staticmethod
    def supervisord(text):
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string(text)
        return [shlex.split(parser[section]["command"].replace("%%", "%")) for section in parser.sections()]

    @staticmethod
    def fly(text):
        table = tomllib.loads(text)
        return [shlex.split(command) for command in [table["deploy"]["release_command"], *table["processes"].values()]]

    @staticmethod
    def render(text):
        [service] = yaml.safe_load(text)["services"]
        return [shlex.split(service[command]) for command in ("preDeployCommand", "startCommand")]


@pytest.mark.parametrize("platform", PLATFORMS)
class TestEachFile:
    def test_names_only_commands_that_there_are(self, printed, platform):
        commands = getattr(Printed, platform)(printed(platform, *HARMLESS))

        assert all(map(is_understood, commands))

    def test_starts_a_worker_with_the_options_given(self, printed, platform):
        commands = getattr(Printed, platform)(printed(platform, *HARMLESS))

        [work] = [words for words in commands if "work" in words]
        assert {"--app=shop.jobs:app", *HARMLESS} <= set(options_of(work))

    def test_keeps_odd_texts_as_they_are(self, printed, platform):
        commands = getattr(Printed, platform)(printed(platform, f"--queues={ODD_QUEUE}"))

        assert [words for words in commands if f"--queues={ODD_QUEUE}" in words]

    def test_holds_no_uri(self, printed, platform):
        text = printed(platform, "--uri=mongodb://user:secret@host/db")

        assert "secret@" not in text
        assert "user:secret" not in text

    def test_needs_no_app_in_its_commands_where_the_project_names_one(self, platform, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "pyproject.toml").write_text('[tool.mongojobs]\napp = "shop"\n')

        answer = run_here("init", platform)

        assert answer.exit_code == 0
        assert "--app" not in answer.stdout


class TestProcfile:
    def test_is_that_of_the_example_except_for_the_app(self, printed):
        example = (Path(__file__).parents[2] / "Procfile.example").read_text()

        assert printed("procfile").replace(" --app=shop.jobs:app", "") == example

    def test_warns_of_a_stop_that_heroku_does_not_wait_for(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

        answer = run_here("--app", "shop", "init", "procfile", "--shutdown-timeout=5m")

        assert "procfile grants at most 30 s" in answer.stderr


class TestDockerfile:
    INSTRUCTIONS = ("FROM", "ENV", "WORKDIR", "COPY", "RUN", "USER", "HEALTHCHECK", "CMD")

    def test_is_made_of_instructions_and_runs_as_nobody_in_particular(self, printed):
        lines = [line for line in printed("docker").splitlines() if line and not line.startswith("#")]

        assert [line.split()[0] for line in lines if line.split()[0] not in self.INSTRUCTIONS] == []
        assert lines[0].startswith("FROM python:3.")
        assert "USER 10001" in lines

    def test_runs_the_worker_itself_and_no_shell_that_keeps_its_signals(self, printed):
        last = printed("docker").rstrip().splitlines()[-1]

        assert json.loads(last.removeprefix("CMD "))[0] == "mongojobs"


class TestCompose:
    def test_is_valid(self, printed):
        compose_spec.ComposeSpecification.model_validate(yaml.safe_load(printed("compose")))

    def test_grants_the_time_that_a_stop_takes(self, printed):
        services = yaml.safe_load(printed("compose", "--shutdown-timeout=2m"))["services"]

        assert services["worker"]["stop_grace_period"] == "125s"

    def test_leaves_orphans_to_an_init_process(self, printed):
        assert yaml.safe_load(printed("compose"))["services"]["worker"]["init"] is True


class TestKubernetes:
    def test_is_valid(self, printed):
        kubernetes_validate.validate(yaml.safe_load(printed("k8s")), "1.31", strict=True)

    def test_grants_the_time_that_a_stop_takes(self, printed):
        deployment = yaml.safe_load(printed("k8s", "--shutdown-timeout=2m"))

        assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 125

    def test_asks_the_worker_where_it_answers(self, printed):
        [worker] = yaml.safe_load(printed("k8s"))["spec"]["template"]["spec"]["containers"]

        asked = {probe: worker[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")}
        assert asked == {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}
        assert f"--probe-port={worker['ports'][0]['containerPort']}" in worker["command"]
        assert "--probe-host=0.0.0.0" in worker["command"]

    def test_leaves_orphans_to_the_first_process_of_the_pod(self, printed):
        [deployment] = yaml.safe_load_all(printed("k8s"))

        assert deployment["spec"]["template"]["spec"]["shareProcessNamespace"] is True

    def test_warns_of_processes_that_nobody_asks(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

        assert "scale with replicas" in run_here("--app", "shop", "init", "k8s", "--processes=2").stderr

    def test_selects_its_own_pods(self, printed):
        spec = yaml.safe_load(printed("k8s", "--name=on"))["spec"]

        assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]
        assert spec["selector"]["matchLabels"]["app.kubernetes.io/name"] == "on"


class TestSystemd:
    KNOWN = {
        "Unit": {"Description", "After", "Wants"},
        "Service": {
            *("Type", "NotifyAccess", "User", "WorkingDirectory", "EnvironmentFile", "Environment", "ExecStartPre"),
            *("ExecStart", "TimeoutStartSec", "WatchdogSec", "KillMode", "TimeoutStopSec", "Restart", "RestartSec"),
            *("NoNewPrivileges", "PrivateTmp", "ProtectSystem"),
        },
        "Install": {"WantedBy"},
    }

    @pytest.fixture
    def unit(self, printed, tmp_path):
        """The unit, for an app whose environment is the one of this test."""
        (tmp_path / ".venv" / "bin").mkdir(parents=True)
        program = tmp_path / ".venv" / "bin" / "mongojobs"
        program.write_text(f"#!{sys.executable}\n")
        program.chmod(0o755)
        path = tmp_path / "shop-worker.service"
        path.write_text(printed("systemd", f"--directory={tmp_path}", "--user=root", f"--queues={ODD_QUEUE}"))
        return path

    @pytest.mark.parametrize("name", ["shop-worker.service", "shop-worker@.service"])
    def test_is_valid(self, unit, name):
        path = unit.rename(unit.with_name(name))

        assert complaints_about(path, self.KNOWN) == []

    def test_with_a_fault_is_found_out(self, unit):
        unit.write_text(unit.read_text().replace("Restart=", "Restarts="))

        assert complaints_about(unit, self.KNOWN) != []

    def test_grants_the_time_that_a_stop_takes(self, printed):
        assert "TimeoutStopSec=125\n" in printed("systemd", "--shutdown-timeout=2m")


def complaints_about(unit, known):
    """Return what systemd says against the unit; where it is not installed, what is not in the table of its keys."""
    if shutil.which("systemd-analyze"):
        command = ["systemd-analyze", "verify", "--man=no", str(unit)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        about = [line for line in ended.stderr.splitlines() if unit.name in line or unit.stem.rstrip("@") in line]
        return about or ([ended.stderr] if ended.returncode else [])
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read_string(unit.read_text())
    return [key for section in parser.sections() for key in set(parser[section]) - known[section]]


class TestFly:
    def test_has_the_keys_of_fly_and_asks_for_term(self, printed):
        table = tomllib.loads(printed("fly"))

        assert set(table) == {"kill_signal", "kill_timeout", "deploy", "processes", "restart"}
        assert (table["kill_signal"], table["kill_timeout"]) == ("SIGTERM", "30s")
        assert table["restart"] == [{"policy": "always", "processes": list(table["processes"])}]

    def test_asks_for_no_more_time_than_fly_grants(self, printed):
        assert tomllib.loads(printed("fly", "--shutdown-timeout=10m"))["kill_timeout"] == "300s"


class TestRender:
    def test_is_a_worker_with_the_keys_of_render(self, printed):
        [service] = yaml.safe_load(printed("render"))["services"]

        assert (service["type"], service["maxShutdownDelaySeconds"]) == ("worker", 30)
        assert set(service) == {
            *("type", "name", "runtime", "buildCommand", "preDeployCommand", "startCommand"),
            *("maxShutdownDelaySeconds", "envVars"),
        }


class TestInit:
    def test_needs_an_app(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

        answer = run_here("init", "procfile")

        assert answer.exit_code == 2
        assert "which app?" in answer.stderr

    @pytest.mark.parametrize("option", ["--name=Not A Name", "--image=a\nb", "--user=a b", "--directory=/a\nRUN b"])
    def test_refuses_what_would_be_more_than_one_word(self, tmp_path, monkeypatch, option):
        monkeypatch.chdir(tmp_path)

        assert run_here("--app", "shop", "init", "docker", option).exit_code == 2

    def test_takes_the_name_from_the_module(self, printed):
        assert "shop-worker" in printed("k8s")

    @pytest.mark.parametrize(("settings", "name"), [("tea.settings", "tea"), ("", "app")])
    def test_takes_it_from_the_settings_of_a_project_of_django(self, tmp_path, monkeypatch, settings, name):
        monkeypatch.chdir(tmp_path)

        answer = run_here("--app=mongojobs.django:setup", "init", "systemd", DJANGO_SETTINGS_MODULE=settings)

        assert answer.stdout.startswith(f"# Workers of {name}.")

    def test_knows_no_other_platform(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

        assert run_here("--app", "shop", "init", "vax").exit_code == 2


def test_a_command_with_an_unknown_option_is_not_understood():
    assert not is_understood(["mongojobs", "work", "--no-such-option"])


@pytest.fixture
def module(printed):
    """Returns the names of the module that `init` prints for a framework."""

    def module(framework, *flags):
        text = printed(framework, *flags)
        made = types.ModuleType(f"jobs_for_{framework}")
        sys.modules[made.__name__] = made
        exec(compile(text, made.__name__, "exec"), vars(made))
        return made

    yield module
    [sys.modules.pop(f"jobs_for_{framework}", None) for framework in FRAMEWORKS]
    mongojobs.configure()


@pytest.mark.parametrize("framework", FRAMEWORKS)
class TestTheModuleOfAFramework:
    def test_has_a_job_that_runs(self, module, framework, capsys):
        with testing.mode("fake"):
            module(framework).hello.delay("world")
            testing.drain()

        assert "hello world" in capsys.readouterr().out

    def test_tells_commands_that_we_understand(self, module, framework):
        told = module(framework, *HARMLESS).__doc__.splitlines()

        words = [
            shlex.split(line.partition("mongojobs ")[2]) for line in told if ":   " in line and "mongojobs " in line
        ]
        assert all(run_here(*line, "--help").exit_code == 0 for line in words)
        assert any({*HARMLESS} <= {*line} for line in words)

    def test_is_told_of_on_its_page(self, framework):
        assert f"init {framework}`" in (ROOT / "docs" / f"{framework}.md").read_text(encoding="utf-8")


def test_the_module_of_flask_makes_the_extension_and_mounts_the_dashboard(module):
    app, made = flask.Flask("shop"), module("flask")
    flask_login.LoginManager(app).request_loader(lambda _request: None)

    made.jobs.init_app(app)
    made.mount_dashboard(app)

    assert app.test_client().get("/jobs/").status_code == 403


def test_the_module_of_fastapi_connects_and_mounts_the_dashboard(module, mongo_uri, monkeypatch):
    monkeypatch.setenv("MONGODB_URI", mongo_uri)
    mongojobs.configure()
    made = module("fastapi")
    app = fastapi.FastAPI(lifespan=made.around)
    made.mount_dashboard(app, lambda _cookie: None)

    async def live():
        async with app.router.lifespan_context(app):
            return (await made.hello.adelay("world")).name, [route.path for route in app.routes]

    name, paths = asyncio.run(live())
    assert name == "jobs_for_fastapi.hello"
    assert "/jobs" in paths
