"""Make threads, tasks, children and forks, and print what is true of them.

Run by test_python_hooks.py, recorded, under every Python there is.
"""
import asyncio
import functools
import json
import multiprocessing
import os
import pty
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

FACTS = {"threads": [], "tasks": [], "children": [], "forks": [],
         "pid": os.getpid()}


def fact(function):
    """The calling thread runs this function."""
    FACTS["threads"].append([threading.get_native_id(),
                             threading.current_thread().name, function])


def work(*_):
    fact("__main__.work")


def fails():
    fact("__main__.fails")
    raise RuntimeError("a thread fails")


class Worker(threading.Thread):
    def run(self):
        fact("__main__.Worker.run")


class Callable:
    def __call__(self):
        fact("__main__.Callable")

    def method(self):
        fact("__main__.Callable.method")


def threads():
    def inner():
        fact("__main__.threads.<locals>.inner")

    threading.excepthook = lambda args: None
    some = [threading.Thread(target=work, name="plain"),
            threading.Thread(target=functools.partial(work, 1)),
            threading.Thread(target=inner, name="närrisch\u2603"),
            threading.Thread(target=fails, daemon=True),
            threading.Thread(target=Callable()),
            threading.Thread(target=Callable().method),
            threading.Thread(name="nothing"), Worker()]
    for thread in some:
        thread.start()
    for thread in some:
        thread.join()
    FACTS["threads"].append([some[6].native_id, "nothing",
                             "threading.Thread.run"])
    with ThreadPoolExecutor(2, thread_name_prefix="pool") as pool:
        pool.submit(lambda: fact("concurrent.futures.thread._worker")).result()


class Odd(Exception):
    """Its text is code of the program, which must not run for us."""
    asked = 0

    def __str__(self):
        Odd.asked += 1
        return "odd"


ENDS = {"ok": ["ok", None],
        "value": ["error", "ValueError: bad value"],
        "os": ["error", "FileNotFoundError: [Errno 2] gone"],
        "odd": ["error", "Odd"],
        "empty": ["error", "LookupError"],
        "long": ["error", "ValueError: " + "\u2603" * 62],
        "cancel": ["cancelled", None]}


def task_fact(parent, how, function="__main__.job"):
    FACTS["tasks"].append([asyncio.current_task().get_name(), function, parent,
                           *ENDS[how]])


async def job(parent, how):
    task_fact(parent, how)
    await asyncio.sleep(0)
    if how == "value":
        raise ValueError("bad value")
    if how == "os":
        raise OSError(2, "gone")
    if how == "odd":
        raise Odd(Odd())
    if how == "empty":
        raise LookupError
    if how == "long":
        raise ValueError("\u2603" * 100)
    if how == "cancel":
        await asyncio.sleep(1000)


async def in_thread():
    task_fact(None, "ok", "__main__.in_thread")
    me = asyncio.current_task().get_name()
    await asyncio.gather(job(me, "ok"), job(me, "value"),
                         return_exceptions=True)


async def tasks():
    task_fact(None, "ok", "__main__.tasks")
    me = asyncio.current_task().get_name()
    named = [asyncio.create_task(job(me, how), name="job " + how)
             for how in ENDS]
    named.append(asyncio.ensure_future(job(me, "ok")))
    # one that nobody made by create_task is met at its first step
    named.append(asyncio.Task(job(None, "value"),
                              loop=asyncio.get_running_loop()))
    unborn = asyncio.create_task(job(me, "ok"), name="unborn")
    unborn.cancel()
    FACTS["tasks"].append(["unborn", "__main__.job", me, "cancelled", None])
    await asyncio.sleep(0.01)
    named[list(ENDS).index("cancel")].cancel()
    await asyncio.gather(*named, unborn, return_exceptions=True)
    if sys.version_info >= (3, 11):
        async with asyncio.TaskGroup() as group:
            group.create_task(job(me, "ok"), name="grouped")


def child():
    pass


class Process(multiprocessing.Process):
    def run(self):
        pass


def children():
    for how in multiprocessing.get_all_start_methods():
        context = multiprocessing.get_context(how)
        process = context.Process(target=child, name="child " + how)
        process.start()
        process.join()
        FACTS["children"].append([process.pid, process.name, "__mp_main__.child"
                                  if how != "fork" else "__main__.child"])
    process = Process()
    process.start()
    process.join()
    FACTS["children"].append([process.pid, process.name, (
        "__main__" if multiprocessing.get_start_method() == "fork"
        else "__mp_main__") + ".Process.run"])


def forker(fork):
    pid = fork()
    pid = pid[0] if isinstance(pid, tuple) else pid
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    FACTS["forks"].append([pid, "__main__.forker"])


def main():
    threads()
    asyncio.run(tasks())
    other = threading.Thread(
        target=lambda: (fact("__main__.main.<locals>.<lambda>"),
                        asyncio.run(in_thread())))
    other.start()
    other.join()
    children()
    forker(os.fork)
    forker(pty.fork)
    FACTS["asked"] = Odd.asked
    print(json.dumps(FACTS))


if __name__ == "__main__":
    main()
