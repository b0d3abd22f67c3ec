"""The tuned stack: FastAPI on uvloop, OpenCV, OpenVINO with micro-batches of whatever waits (no added delay), faiss-cpu.

Environment: PEER_MODEL, an OpenVINO file; PEER_INDEX, a FAISS file; PEER_THREADS (default: all cores).
Run: uvicorn openvino_app:app --loop uvloop --http httptools
"""

import asyncio
import contextlib
import os
from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
import orjson
from fastapi import FastAPI, Request, Response
from openvino_engine import SIZES, Engine
from picture import read_picture

K = 3
threads = int(os.environ.get("PEER_THREADS", os.cpu_count()))
engine = Engine(os.environ["PEER_MODEL"], threads)
index = faiss.read_index(os.environ["PEER_INDEX"])
decoders, model_thread = ThreadPoolExecutor(threads), ThreadPoolExecutor(1)
waiting = asyncio.Queue()


def search(vectors):
    faiss.omp_set_num_threads(threads if len(vectors) > 1 else 1)  # one query is faster on one thread (faiss-cpu 1.15)
    return index.search(np.ascontiguousarray(vectors, np.float32), K)


def score_batch(images):
    return search(engine.embed(np.stack(images)))


async def work():
    loop = asyncio.get_running_loop()
    while True:
        batch = [await waiting.get()]
        while len(batch) < SIZES[-1] and not waiting.empty():
            batch.append(waiting.get_nowait())
        try:
            squared, rows = await loop.run_in_executor(model_thread, score_batch, [image for image, _ in batch])
            for (_, answer), distances, ids in zip(batch, squared, rows):
                if not answer.done():
                    answer.set_result((distances, ids))
        except Exception as error:  # whoever waits is told
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)


@contextlib.asynccontextmanager
async def lifespan(_):
    task = asyncio.create_task(work())
    yield
    task.cancel()


app = FastAPI(lifespan=lifespan)


@app.post("/v1/score")
async def score(request: Request):
    if request.headers.get("content-type", "").startswith("multipart/"):
        form = await request.form()
        data = await form["file"].read()
    else:
        data = await request.body()
    loop = asyncio.get_running_loop()
    try:
        image = await loop.run_in_executor(decoders, read_picture, data)
    except ValueError:
        return Response('{"detail": "not an image"}', 422)
    answer = loop.create_future()
    waiting.put_nowait((image, answer))
    squared, rows = await answer
    distances = np.sqrt(np.maximum(squared, 0))
    neighbours = [{"id": str(row), "distance": float(d)} for row, d in zip(rows, distances)]
    return Response(orjson.dumps({"score": float(distances.mean()), "neighbours": neighbours}), media_type="application/json")


@app.get("/readyz")
def readyz():
    return {"ready": True}
