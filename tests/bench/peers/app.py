"""The tutorial stack: FastAPI, Pillow, eager PyTorch and a flat FAISS index, as one writes it in an afternoon.

Environment: PEER_INDEX, a FAISS file; PEER_THREADS, of PyTorch and FAISS (default: all cores).
Run: uvicorn app:app
"""

import io
import os

import faiss
import numpy as np
import torch
from fastapi import FastAPI, File, HTTPException, UploadFile
from PIL import Image
from resnet18 import resnet18

K = 3
SHORT_SIDE, CROP = 256, 224
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)

threads = int(os.environ.get("PEER_THREADS", os.cpu_count()))
torch.set_num_threads(threads)
faiss.omp_set_num_threads(threads)
model = resnet18()
index = faiss.read_index(os.environ["PEER_INDEX"])
app = FastAPI()


def preprocess(image):
    """torchvision's Resize(256), CenterCrop(224), ToTensor and Normalize."""
    width, height = image.size
    if width < height:
        size = (SHORT_SIDE, int(SHORT_SIDE * height / width))
    else:
        size = (int(SHORT_SIDE * width / height), SHORT_SIDE)
    image = image.resize(size, Image.BILINEAR)
    left, top = round((size[0] - CROP) / 2), round((size[1] - CROP) / 2)
    image = image.crop((left, top, left + CROP, top + CROP))
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
    return (pixels - MEAN) / STD


@app.post("/v1/score")
async def score(file: UploadFile = File(...)):
    try:
        image = Image.open(io.BytesIO(await file.read())).convert("RGB")
    except OSError:
        raise HTTPException(422, "not an image") from None
    with torch.no_grad():
        vector = torch.nn.functional.normalize(model.embed(preprocess(image).unsqueeze(0)))
    squared, rows = index.search(vector.numpy(), K)
    distances = np.sqrt(np.maximum(squared[0], 0))
    neighbours = [{"id": str(row), "distance": float(d)} for row, d in zip(rows[0], distances)]
    return {"score": float(distances.mean()), "neighbours": neighbours}


@app.get("/readyz")
def readyz():
    return {"ready": True}
