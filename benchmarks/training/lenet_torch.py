"""LeNet as one writes it by hand in PyTorch: `python lenet_torch.py mnist_10k.npz EPOCHS`."""

import math

import torch
import torch.nn.functional as F
from reading import COMPILED, Clock, arguments, digits
from sklearn.metrics import f1_score
from torch import nn

path, epochs = arguments()
train, valid = ({k: torch.from_numpy(v) for k, v in part.items()} for part in digits(path))
torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(1, 6, 5, padding="same"), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
    nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
)  # fmt: skip
if COMPILED:
    model = torch.compile(model)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, fused=True)
steps = epochs * math.ceil(len(train["y"]) / 64)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
clock = Clock()
for _ in range(epochs):
    model.train()
    total = torch.zeros(())
    for rows in torch.randperm(len(train["y"])).split(64):
        logits = model(train["x"][rows, None])
        loss = F.cross_entropy(logits, train["y"][rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        total += loss.detach() * len(rows)
    model.eval()
    with torch.inference_mode():
        logits = torch.cat([model(x[:, None]) for x in valid["x"].split(1000)])
    said = logits.argmax(dim=-1)
    scores = (
        float(total) / len(train["y"]),
        float(F.cross_entropy(logits, valid["y"])),
        float((said == valid["y"]).float().mean()),
        f1_score(valid["y"].numpy(), said.numpy(), average="macro"),
    )
    clock.epoch()
assert scores[2] > 0.8, scores
