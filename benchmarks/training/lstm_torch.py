"""An LSTM over sentences, by hand in PyTorch: `python lstm_torch.py train.tsv EPOCHS`."""

import torch
import torch.nn.functional as F
from reading import COMPILED, Clock, arguments, sentences
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import DataLoader, random_split


class Reader(nn.Module):
    def __init__(self, vocab: int = 6000, width: int = 64, hidden: int = 128) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocab, width)
        self.lstm = nn.LSTM(width, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 2)

    def forward(self, words: Tensor, lengths: Tensor) -> Tensor:
        x = pack_padded_sequence(self.embed(words), lengths, batch_first=True, enforce_sorted=False)
        _, (hidden, _) = self.lstm(x)
        return self.head(hidden[-1])


def collate(rows: list[tuple[Tensor, int]]) -> tuple[Tensor, Tensor, Tensor]:
    words, labels = zip(*rows, strict=True)
    lengths = torch.tensor([len(row) for row in words])
    return pad_sequence(list(words), batch_first=True), lengths, torch.tensor(labels)


path, epochs = arguments()
ids, labels = sentences(path)
torch.manual_seed(0)
rows = list(zip(map(torch.from_numpy, ids), labels.tolist(), strict=True))
train, valid = random_split(rows, [0.9, 0.1])
model = Reader()
if COMPILED:
    model = torch.compile(model)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
clock = Clock()
for _ in range(epochs):
    model.train()
    losses = []
    for words, lengths, target in DataLoader(train, 32, shuffle=True, collate_fn=collate):
        loss = F.cross_entropy(model(words, lengths), target)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.detach())
    model.eval()
    with torch.inference_mode():
        parts = [
            (model(words, lengths), target)
            for words, lengths, target in DataLoader(valid, 1000, collate_fn=collate)
        ]
        logits, target = (torch.cat(part) for part in zip(*parts, strict=True))
    loss = F.cross_entropy(logits, target)
    scores = (
        float(torch.stack(losses).mean()),
        float(loss),
        logits.argmax(1).eq(target).sum().item(),
    )
    clock.epoch()
