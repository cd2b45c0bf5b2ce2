"""The checkout of NexusCore's repository that lies beside the runbook: what of it a procedure may read."""

from pathlib import Path

FOLDER = "repository"
DOCKERFILE = "apps/llm-gateway/Dockerfile"
FILES = {
    DOCKERFILE: (Path(__file__).parent / "checkout" / "Dockerfile").read_text("utf-8"),
    "apps/llm-gateway/requirements.txt": "fastapi\nuvicorn\n",
    "apps/llm-gateway/main.py": """from fastapi import FastAPI

app = FastAPI()


@app.get("/")
def root():
    return {"message": "LLM gateway"}
""",
}


def write(folder: Path) -> Path:
    """Write the checkout into a folder of its own below `folder`; returns it."""
    root = folder / FOLDER
    for name, text in FILES.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return root
