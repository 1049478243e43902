FROM python:3.14-slim

ENV PYTHONUNBUFFERED=1 HOST=0.0.0.0 INSTANCE_PATH=/var/lib/nextup

WORKDIR /srv/nextup
COPY requirements.txt constraints.txt ./
RUN pip install --no-cache-dir -r requirements.txt \
    && useradd --system nextup \
    && install -d -o nextup -m 700 /var/lib/nextup
COPY wsgi.py ./
COPY webapp webapp
COPY migrations migrations
COPY templates templates
COPY static static

USER nextup
VOLUME /var/lib/nextup
EXPOSE 3000
HEALTHCHECK --start-period=60s --interval=10s CMD ["python", "-c", \
    "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ.get('PORT', 3000)}/healthz\", timeout=3)"]
CMD ["python", "-m", "webapp.server"]
