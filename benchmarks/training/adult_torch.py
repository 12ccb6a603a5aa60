"""A network over the census, by hand in PyTorch: `python adult_torch.py train.csv.gz EPOCHS`."""

import math

import torch
import torch.nn.functional as F
from reading import COMPILED, Clock, arguments, census
from sklearn.metrics import f1_score, roc_auc_score
from torch import Tensor, nn


class Income(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.embed = nn.Embedding(120, 8)
        self.body = nn.Sequential(
            nn.Linear(70, width), nn.ReLU(), nn.Dropout(0.2),
            nn.Linear(width, width), nn.ReLU(), nn.Dropout(0.2), nn.Linear(width, 1),
        )  # fmt: skip

    def forward(self, numbers: Tensor, words: Tensor) -> Tensor:
        x = torch.cat([numbers, self.embed(words).flatten(1)], dim=1)
        return self.body(x).squeeze(1)


path, epochs = arguments()
train, valid = ({k: torch.from_numpy(v) for k, v in part.items()} for part in census(path))
torch.manual_seed(0)
model = Income()
decay = [p for p in model.parameters() if p.ndim >= 2]
plain = [p for p in model.parameters() if p.ndim < 2]
groups = [{"params": decay, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
if COMPILED:
    model = torch.compile(model)
optimizer = torch.optim.AdamW(groups, lr=2e-3, fused=True)
count = len(train["rich"])
per_epoch = math.ceil(count / 256)


def rate(step: int) -> float:
    """Warm-up over an epoch, then half a cosine."""
    if step < per_epoch:
        return (step + 1) / per_epoch
    return 0.5 * (1 + math.cos(math.pi * (step - per_epoch) / ((epochs - 1) * per_epoch)))


schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
clock = Clock()
for _ in range(epochs):
    model.train()
    total = torch.zeros(())
    for rows in torch.randperm(count).split(256):
        logit = model(train["numbers"][rows], train["words"][rows])
        loss = F.binary_cross_entropy_with_logits(logit, train["rich"][rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        total += loss.detach() * len(rows)
    model.eval()
    with torch.inference_mode():
        parts = zip(valid["numbers"].split(1000), valid["words"].split(1000), strict=True)
        logit = torch.cat([model(*part) for part in parts])
    rich, said = valid["rich"].numpy(), (logit > 0).numpy()
    scores = (
        float(total) / count,
        float(F.binary_cross_entropy_with_logits(logit, valid["rich"])),
        float((said == rich).mean()),
        roc_auc_score(rich, logit.numpy()),
        f1_score(rich, said),
    )
    clock.epoch()
assert scores[2] > 0.8, scores
